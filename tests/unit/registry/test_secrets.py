"""References to secrets."""

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
    """A provider that records what it is asked for."""

    def __init__(self, **keys):
        self.keys = keys
        self.asked = []

    def __call__(self, name, user):
        self.asked.append((name, user))
        return self.keys.get(name)


@pytest.fixture
def revealed():
    return []


def resolver(revealed, *providers):
    return SecretResolver(providers, "ada", revealed.extend)


def test_the_users_own_secret_wins(revealed):
    secrets = resolver(revealed, Host(openai="own-key"))
    assert secrets.resolve(Secret("openai", default="host-key")) == "own-key"
    assert revealed == ["own-key"]


@pytest.mark.parametrize("default", ["host-key", lambda: "host-key"])
def test_the_default_is_used_for_users_without_one(revealed, default):
    assert resolver(revealed, Host()).resolve(Secret("openai", default=default)) == "host-key"
    assert resolver(revealed).resolve(Secret("openai", default=default)) == "host-key"
    assert revealed == ["host-key", "host-key"]


@pytest.mark.parametrize(
    "default", [None, "", lambda: "", lambda: os.environ["NO_SUCH_KEY_ANYWHERE"]]
)
def test_a_missing_secret_is_named(revealed, default):
    with pytest.raises(SecretMissing, match="no secret 'openai' for this user"):
        resolver(revealed, Host(openai="")).resolve(Secret("openai", default=default))


def test_the_template_formats_the_value(revealed):
    secrets = resolver(revealed, Host(files="own{key}"))
    assert secrets.resolve(Secret("files", template="Bearer {}")) == "Bearer own{key}"
    assert revealed == ["own{key}"]


def test_the_provider_is_asked_once_for_each_name(revealed):
    host = Host(a="A")
    secrets = resolver(revealed, host)
    assert [secrets.resolve(Secret("a")) for _ in range(3)] == ["A", "A", "A"]
    assert host.asked == [("a", "ada")]


def test_the_provider_is_called_in_its_own_context(app, revealed):
    g.mine = True

    def provider(name, user):
        return f"{current_app.name} {'mine' in g}"

    assert resolver(revealed, provider).resolve(Secret("a")) == f"{app.name} False"


def test_the_error_of_a_provider_is_not_shown(revealed):
    def provider(name, user):
        raise ConnectionError("the vault is unavailable")

    with pytest.raises(
        SecretProviderUnavailable, match="could not resolve the secret 'a'"
    ) as caught:
        resolver(revealed, provider).resolve(Secret("a"))
    assert "vault" not in str(caught.value)


def test_plain_text_is_a_secret_only_if_declared_so(revealed):
    secrets = resolver(revealed)
    assert secrets.resolve("Bearer plain-token", secret=True) == "Bearer plain-token"
    assert secrets.resolve("") == ""
    assert revealed == ["plain-token"]


def test_values_of_functions_are_secrets(revealed):
    secrets = resolver(revealed)
    assert secrets.resolve("application/json") == "application/json"
    assert secrets.resolve(lambda: "Bearer host-token") == "Bearer host-token"
    assert revealed == ["host-token"]


def test_the_repr_of_a_reference_hides_the_default():
    assert "host-key" not in repr(Secret("openai", default="host-key"))
