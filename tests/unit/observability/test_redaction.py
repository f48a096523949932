"""Removing secrets from texts."""

from __future__ import annotations

import gc
import json

import pytest
from flask import Flask

from flask_crewexec import CrewExec
from flask_crewexec.app_state import current_app_state
from flask_crewexec.observability.redaction import redact_process_logs
from flask_crewexec.observability.redaction import Redactor
from flask_crewexec.observability.redaction import run_redactor

KEY = 'sk-"top"/secret&key'


class TestRedactor:
    @pytest.mark.parametrize("spelling", [KEY, json.dumps(KEY), "sk-%22top%22%2Fsecret%26key"])
    def test_finds_every_spelling(self, spelling):
        assert "top" not in Redactor([KEY])(f"The key is {spelling}.")

    def test_finds_the_plain_form_of_what_a_url_has(self):
        assert Redactor(["p%40ssword"])("It is p@ssword.") == "It is [secret]."

    def test_the_longest_goes_first(self):
        assert Redactor(["secret-1", "secret-1-2"])("secret-1-2") == "[secret]"

    def test_short_secrets_are_ignored(self):
        assert Redactor(["pass", ""])("passport") == "passport"

    def test_plain_json_stays_json(self):
        value = {"12345678": [12345678, "12345678", None, 1.5, True]}
        redacted = Redactor(["12345678"]).value(value)
        assert redacted == {"[secret]": [12345678, "[secret]", None, 1.5, True]}

    def test_secrets_added_later_are_replaced_from_then_on(self):
        redact = Redactor(["first-secret"])
        assert redact("second-secret") == "second-secret"
        redact.add(["second-secret"])
        assert redact("first-secret, second-secret") == "[secret], [secret]"
        assert redact.partial_match_length("second-") == 7


def test_logs_are_redacted_as_long_as_a_redactor_is_referenced():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    CrewExec(app)
    with app.app_context():
        one, other = run_redactor(current_app_state()), run_redactor(current_app_state())
    one.add(["secret-of-one"])
    other.add(["secret-of-other"])
    assert redact_process_logs("secret-of-one, secret-of-other") == "[secret], [secret]"
    del one
    gc.collect()
    assert redact_process_logs("secret-of-one, secret-of-other") == "secret-of-one, [secret]"
