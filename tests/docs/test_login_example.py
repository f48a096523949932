"""The application of the documentation with Flask-Login and Flask-WTF: who may send what."""

from __future__ import annotations

import re
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from support.doc_examples import write_files
from support.graphs import documents
from support.in_process import close_connections
from support.paths import ROOT

pytest.importorskip("flask_login")
pytestmark = pytest.mark.sqlite_enough

DASHBOARD: t.Final = "/crewexec-dashboard"
OTHER_SITE: t.Final = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
OWN_SITE: t.Final = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}


@pytest.fixture
def app(
    tmp_path: Path, sqlite_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """The application of the page, with the user 'ada'."""
    write_files(ROOT / "docs/howto/flask-login.rst", tmp_path)
    environment = {"CELERY_BROKER_URL": broker_url, "CELERY_RESULT_BACKEND": broker_url}
    environment |= {"DATABASE_URL": sqlite_url, "SECRET_KEY": "secret", "OPENAI_API_KEY": "sk-any"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(tmp_path)
    import notes  # type: ignore[import-not-found]

    app = notes.create_app()
    with app.app_context():
        notes.db.create_all()
        password = generate_password_hash("secret", "pbkdf2:sha256:1")
        notes.db.session.add(notes.User(name="ada", password_hash=password))
        notes.db.session.commit()
        yield app
        notes.db.session.remove()
        close_connections(notes.db.engine)
    del sys.modules["notes"]


@pytest.fixture
def ada(app: Flask) -> FlaskClient:
    """A browser in which Ada has signed in."""
    browser = app.test_client()
    assert sign_in(browser, "/sign-in").location == f"{DASHBOARD}/"
    return browser


def sign_in(browser: FlaskClient, address: str, password: str = "secret") -> TestResponse:
    form = {"name": "ada", "password": password, "csrf_token": token_in(browser, address)}
    return browser.post(address, data=form)


def token_in(browser: FlaskClient, address: str) -> str:
    """Return the token that the forms of a page contain."""
    (token, *_) = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', browser.get(address).text)
    return token


def queued(browser: t.Any, **headers: t.Any) -> str:
    graph = browser.post("/crewexec/graphs", json=documents.ONE_TASK, headers=headers)
    body = {"graph_id": graph.json["id"], "inputs": {"topic": "tea"}}
    answer = browser.post("/crewexec/executions", json=body, headers=headers)
    assert answer.status_code == 202
    return answer.json["id"]


def test_strangers_see_nothing(app: Flask) -> None:
    stranger = app.test_client()
    assert stranger.get("/crewexec/executions").status_code == 401
    page = stranger.get(f"{DASHBOARD}/executions?status=failed")
    assert page.location.startswith("/sign-in?next=")
    assert "Sign in" in sign_in(stranger, page.location, "wrong").text
    answer = sign_in(stranger, page.location)
    assert answer.location == f"{DASHBOARD}/executions?status=failed"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_to_another_site(app: Flask, target: str) -> None:
    answer = sign_in(app.test_client(), f"/sign-in?next={target}")
    assert re.match(r"/(?![/\\])", answer.location)


def test_pages_of_the_site_use_the_api_without_a_token(ada: t.Any) -> None:
    id = queued(ada, **OWN_SITE)
    answer = ada.post(f"/crewexec/executions/{id}/cancel", headers=OWN_SITE)
    assert answer.json["status"] == "cancelled"


def test_pages_of_other_sites_change_nothing(ada: t.Any) -> None:
    id = queued(ada)
    for path in (f"/crewexec/executions/{id}/cancel", f"{DASHBOARD}/executions/{id}/cancel"):
        for form in ({}, {"csrf_token": token_in(ada, f"{DASHBOARD}/executions/{id}")}):
            assert ada.post(path, data=form, headers=OTHER_SITE).status_code in (400, 403)
    assert ada.get(f"/crewexec/executions/{id}").json["status"] == "queued"


def test_forms_need_their_token(ada: t.Any) -> None:
    page = f"{DASHBOARD}/executions/{queued(ada)}"
    assert ada.post("/sign-out").status_code == 400
    assert ada.post(f"{page}/cancel").status_code == 400
    assert ada.post(f"{page}/cancel", data={"csrf_token": token_in(ada, page)}).status_code == 303
    token = token_in(ada, "/sign-in")
    assert ada.post("/sign-out", data={"csrf_token": token}).location == "/sign-in"
    assert ada.get("/crewexec/executions").status_code == 401
