"""The sample host's pages: signing in, the user's graphs, queueing one."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_crewexec import GraphService
from sample_app.extensions import db
from sample_app.models import User
from sample_app.seeding import seed
from sample_app.seeding import Seeded


@pytest.fixture
def client(app: Flask, ada: Seeded) -> FlaskClient:
    """A browser in which Ada has signed in."""
    client = app.test_client()
    answer = client.post("/sign-in", data={"token": f" {ada.token} "})
    assert answer.headers["Location"] == "/"
    return client


def test_a_wrong_token_does_not_sign_in(app: Flask, ada: Seeded) -> None:
    client = app.test_client()
    answer = client.post("/sign-in", data={"token": "wrong"})
    assert answer.status_code == 401
    assert "This token is not valid." in answer.text
    assert client.get("/notes").status_code == 401


def test_who_signed_in_is_known_to_the_pages_and_the_api(client: FlaskClient) -> None:
    for path in ("/notes", "/crewexec/graphs", "/crewexec-dashboard/executions"):
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


def test_errors_are_shown_on_the_page(client: FlaskClient, ada: Seeded) -> None:
    address = f"/crews/{ada.graphs['fact_page']}"
    answer = client.post(address, data={"topic": "tea"})
    assert answer.status_code == 503
    assert "The message broker did not answer" in answer.text
    assert client.post(address).status_code == 422


INPUTS = {
    "text": {"type": "string", "description": "Some text", "default": "a <b>", "max_length": 9},
    "size": {"type": "string", "enum": ["short", "long"], "default": "long"},
    "count": {"type": "integer", "minimum": 1, "maximum": 10},
    "share": {"type": "number", "required": False},
    "sure": {"type": "boolean", "default": False},
    "tags": {"type": "array", "required": False},
    "lines": {"type": "string", "default": "1\n2"},
    "free": {"required": False},
}


@pytest.fixture
def typed(ada: Seeded) -> str:
    """The address of a form with inputs of all types."""
    owner = db.session.scalars(db.select(User).filter_by(name="ada")).one()
    document = {
        "version": 1,
        "name": "All types",
        "process": "sequential",
        "inputs": INPUTS,
        "nodes": [
            {"id": "agent", "type": "agent", "data": {"role": "R", "goal": "{text}"}},
            {"id": "task", "type": "task", "data": {"description": "D", "expected_output": "E"}},
        ],
        "edges": [{"source": "agent", "target": "task"}],
    }
    return f"/crews/{GraphService().create(document, owner.id).graph.id}"


def element(page: str, address: str, name: str) -> str:
    """The field of a form, with its label, as the page has it."""
    form = page.partition(f'action="{address}"')[2].partition("</form>")[0]
    (found,) = (label for label in form.split("<label>") if f'name="{name}"' in label)
    return found


def test_a_form_shows_what_is_declared(client: FlaskClient, typed: str) -> None:
    page = client.get("/crews").text

    def field(name: str) -> str:
        return element(page, typed, name)

    assert 'value="a &lt;b&gt;"' in field("text")
    assert 'maxlength="9"' in field("text")
    assert "Some text" in field("text")
    assert re.findall(r"<option( selected)?>(\w+)<", field("size")) == [
        ("", "short"),
        (" selected", "long"),
    ]
    for part in ('type="number"', 'step="1"', 'min="1"', 'max="10"', "required", 'value=""'):
        assert part in field("count"), part
    assert 'step="any"' in field("share")
    assert "required" not in field("share")
    assert "share, number, optional" in field("share")
    assert "free, optional" in field("free")
    assert "<option selected>false</option>" in field("sure")
    assert ">\n1\n2</textarea>" in field("lines")


@pytest.mark.settings(ACCEPT_WITHOUT_BROKER=True)
def test_a_form_is_read_with_the_declared_types(client: FlaskClient, typed: str) -> None:
    form = {"text": "7", "count": "7", "share": "0.5", "sure": "true", "tags": '["a"]', "free": ""}
    answer = client.post(typed, data=form)
    assert answer.status_code == 303, answer.text
    id = answer.headers["Location"].rpartition("/")[2]
    inputs = client.get(f"/crewexec/executions/{id}").get_json()["inputs"]
    assert inputs == {
        "text": "7",
        "size": "long",
        "count": 7,
        "share": 0.5,
        "sure": True,
        "tags": ["a"],
        "lines": "1\n2",
    }


@pytest.mark.parametrize("tags", ["no list", "[" * 100_000, "{}"])
def test_a_refused_form_says_why_and_keeps_what_was_filled_in(
    client: FlaskClient, typed: str, tags: str
) -> None:
    answer = client.post(typed, data={"text": "kept", "count": "eleven", "tags": tags})
    assert answer.status_code == 422
    assert "The input &#34;count&#34; must be an integer, not text." in answer.text
    assert "The input &#34;tags&#34; must be a list" in answer.text
    assert "Allowed is an integer from 1 to 10." in answer.text
    assert 'value="kept"' in element(answer.text, typed, "text")


def test_a_graph_that_cannot_run_any_more_says_why(
    client: FlaskClient, ada: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(client.application.extensions["crewexec"].registry.tools, "save_note")
    page = client.get("/crews")
    assert page.status_code == 200
    assert "There is no tool &#34;save_note&#34;." in page.text
    address = f"/crews/{ada.graphs['notes_digest']}"
    assert f'action="{address}"' not in page.text
    assert client.post(address, data={"topic": "tea"}).status_code == 422


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/crews/x", "/crewexec/graphs"])
def test_forms_of_other_sites_are_refused(client: FlaskClient, path: str) -> None:
    answer = client.post(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_the_cookie_does_not_travel_to_other_sites(app: Flask, ada: Seeded) -> None:
    answer = app.test_client().post("/sign-in", data={"token": ada.token})
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert ada.token not in answer.headers["Set-Cookie"]
