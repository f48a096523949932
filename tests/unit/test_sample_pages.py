"""The sample host's pages: signing in, the user's graphs, queueing one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from sample_app import create_app
from sample_app.extensions import db
from sample_app.seeding import seed
from sample_app.seeding import Seeded

NO_BROKER = "redis://127.0.0.1:9/0"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    database = f"sqlite:///{tmp_path / 'sample.sqlite'}"
    app = create_app({"SQLALCHEMY_DATABASE_URI": database, "CELERY_BROKER_URL": NO_BROKER})
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def ada(app: Flask) -> Seeded:
    return seed("ada")


@pytest.fixture
def client(app: Flask, ada: Seeded) -> FlaskClient:
    """A browser in which Ada has signed in."""
    client = app.test_client()
    answer = client.post("/sign-in", data={"token": f" {ada.token} "})
    assert answer.headers["Location"] == "/crews"
    return client


def test_a_wrong_token_signs_nobody_in(app: Flask, ada: Seeded) -> None:
    client = app.test_client()
    answer = client.post("/sign-in", data={"token": "wrong"})
    assert answer.status_code == 401
    assert "Nobody has this token." in answer.text
    assert client.get("/notes").status_code == 401


def test_who_signed_in_is_known_to_the_pages_and_the_api(client: FlaskClient) -> None:
    for path in ("/notes", "/crewexec/graphs", "/crewexec-monitor/executions"):
        assert client.get(path).status_code == 200, path


def test_a_wrong_token_in_the_header_is_not_made_good_by_the_session(client: FlaskClient) -> None:
    answer = client.get("/crewexec/graphs", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401


def test_signing_out_ends_it(client: FlaskClient) -> None:
    client.post("/sign-out")
    assert client.get("/notes").status_code == 401
    assert client.get("/crews").headers["Location"] == "/sign-in"
    assert client.post("/crews/x").headers["Location"] == "/sign-in"


def test_only_ones_own_graphs_are_offered(client: FlaskClient, ada: Seeded) -> None:
    bob = seed("bob")
    page = client.get("/crews").text
    assert sorted(re.findall(r'action="/crews/([^"]+)"', page)) == sorted(ada.graphs.values())
    assert page.count('name="topic"') == 2
    answer = client.post(f"/crews/{bob.graphs['fact_page']}", data={"topic": "tea"})
    assert answer.status_code == 404


def test_what_goes_wrong_is_told_on_the_page(client: FlaskClient, ada: Seeded) -> None:
    address = f"/crews/{ada.graphs['fact_page']}"
    answer = client.post(address, data={"topic": "tea"})
    assert answer.status_code == 503
    assert "The message broker did not answer" in answer.text
    assert client.post(address).status_code == 422


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/crews/x", "/crewexec/graphs"])
def test_forms_of_other_sites_are_refused(client: FlaskClient, path: str) -> None:
    answer = client.post(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_the_cookie_does_not_travel_to_other_sites(app: Flask, ada: Seeded) -> None:
    answer = app.test_client().post("/sign-in", data={"token": ada.token})
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert ada.token not in answer.headers["Set-Cookie"]
