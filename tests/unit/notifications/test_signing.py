"""What webhooks need before they can be signed."""

from __future__ import annotations

import importlib.util
import uuid

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_crewexec import CrewExec
from flask_crewexec.errors import ConfigError
from flask_crewexec.notifications.signing import secret_of


def host(**config):
    app = Flask("host")
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", CREWEXEC_WEBHOOKS=True, **config)
    CrewExec(app, db=SQLAlchemy())
    return app


def test_the_host_needs_a_key():
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        host()


def test_the_host_needs_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'Flask-CrewExec\[webhooks\]'"):
        host(SECRET_KEY="key")


@pytest.mark.parametrize("key", ["key", b"key"])
def test_secrets_stay_the_same(key):
    """Users have configured them: another derivation would break all their receivers."""
    app = Flask("any")
    app.config["SECRET_KEY"] = key
    with app.app_context():
        secret = secret_of(uuid.UUID("01a20000-0000-7000-8000-000000000000"), 1)
    assert secret == "whsec_afF+/N9KYi+s9nJ/LOeTpzyOBQfvGj4kQIhFYDIjiCI="
