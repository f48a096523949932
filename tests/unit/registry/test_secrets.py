"""Keys by reference."""

from __future__ import annotations

import os

import pytest
from flask import current_app
from flask import Flask
from flask import g

from flask_crewexec import Secret
from flask_crewexec.errors import SecretMissing
from flask_crewexec.errors import SecretProviderUnavailable
from flask_crewexec.registry.secrets import SecretResolver


@pytest.fixture(autouse=True)
def app():
    app = Flask(__name__)
    with app.app_context():
        yield app


class Host:
    """A provider that notes what it is asked for."""

    def __init__(self, **keys):
        self.keys = keys
        self.asked = []

    def __call__(self, name, user):
        self.asked.append((name, user))
        return self.keys.get(name)


@pytest.fixture
def learnt():
    return []


def ring(learnt, *providers):
    return SecretResolver(providers, "ada", learnt.extend)


def test_the_users_own_goes_first(learnt):
    keys = ring(learnt, Host(openai="own-key"))
    assert keys.resolve(Secret("openai", default="host-key")) == "own-key"
    assert learnt == ["own-key"]


@pytest.mark.parametrize("otherwise", ["host-key", lambda: "host-key"])
def test_the_hosts_stands_in(learnt, otherwise):
    assert ring(learnt, Host()).resolve(Secret("openai", default=otherwise)) == "host-key"
    assert ring(learnt).resolve(Secret("openai", default=otherwise)) == "host-key"
    assert learnt == ["host-key", "host-key"]


@pytest.mark.parametrize(
    "otherwise", [None, "", lambda: "", lambda: os.environ["NO_SUCH_KEY_ANYWHERE"]]
)
def test_a_missing_key_is_named(learnt, otherwise):
    with pytest.raises(SecretMissing, match="no key 'openai' for this user"):
        ring(learnt, Host(openai="")).resolve(Secret("openai", default=otherwise))


def test_the_value_has_a_form(learnt):
    keys = ring(learnt, Host(files="own{key}"))
    assert keys.resolve(Secret("files", template="Bearer {}")) == "Bearer own{key}"
    assert learnt == ["own{key}"]


def test_the_provider_is_asked_once_for_each_name(learnt):
    host = Host(a="A")
    keys = ring(learnt, host)
    assert [keys.resolve(Secret("a")) for _ in range(3)] == ["A", "A", "A"]
    assert host.asked == [("a", "ada")]


def test_it_is_asked_in_a_context_of_its_own(app, learnt):
    g.mine = True

    def provider(name, user):
        return f"{current_app.name} {'mine' in g}"

    assert ring(learnt, provider).resolve(Secret("a")) == f"{app.name} False"


def test_a_provider_that_fails(learnt):
    def provider(name, user):
        raise ConnectionError("the vault is away")

    with pytest.raises(SecretProviderUnavailable, match="'a' could not be asked for") as caught:
        ring(learnt, provider).resolve(Secret("a"))
    assert "vault" not in str(caught.value)


def test_plain_texts_are_no_secrets_unless_they_are_called_so(learnt):
    keys = ring(learnt)
    assert keys.resolve("Bearer plain-token", secret=True) == "Bearer plain-token"
    assert keys.resolve("") == ""
    assert learnt == ["plain-token"]


def test_what_functions_return_is_secret(learnt):
    keys = ring(learnt)
    assert keys.resolve("application/json") == "application/json"
    assert keys.resolve(lambda: "Bearer host-token") == "Bearer host-token"
    assert learnt == ["host-token"]


def test_a_reference_shows_no_value():
    assert "host-key" not in repr(Secret("openai", default="host-key"))
