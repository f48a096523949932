"""The sample's start page, without a worker: who is signed in, and what a click does."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_crewexec import GraphService
from flask_crewexec.testing import Rule
from sample_app import create_app
from sample_app.demo.script import rules
from sample_app.extensions import db
from sample_app.llms import NOWHERE
from sample_app.llms import unsteady_base_url
from sample_app.models import Note
from sample_app.models import User
from sample_app.seeding import GRAPHS
from sample_app.seeding import seed
from sample_app.seeding import Seeded
from sample_app.showcase import CREWS
from support.dashboard_pages import dangers
from support.dashboard_pages import text_of

ENTERED = {"Sec-Fetch-Site": "none"}
"""What browsers send with an address that somebody has entered, or opened from a terminal."""


@pytest.fixture
def client(app: Flask, ada: Seeded) -> FlaskClient:
    """A browser in which Ada has opened the link of the terminal."""
    client = app.test_client()
    answer = client.get("/sign-in", query_string={"token": ada.token}, headers=ENTERED)
    assert answer.headers["Location"] == "/"
    return client


def user_id(name: str) -> int:
    return db.session.scalars(db.select(User.id).filter_by(name=name)).one()


class TestPage:
    def test_it_says_who_is_signed_in_and_leads_everywhere(self, client: FlaskClient) -> None:
        page = client.get("/").text
        assert "Signed in as ada" in " ".join(text_of(page).split())
        targets = re.findall(r'href="([^"]+)"', page)
        for part in ("executions", "graphs", "input-requests"):
            assert f"/crewexec-dashboard/{part}" in targets
            assert client.get(f"/crewexec-dashboard/{part}").status_code == 200
        assert any(target.endswith("/tutorial/") for target in targets)
        assert re.findall(r'action="/start/(\w+)"', page) == [crew.graph for crew in CREWS]

    def test_only_managers_are_shown_the_queues(self, client: FlaskClient) -> None:
        assert "to-operations" not in client.get("/").text
        db.session.get(User, user_id("ada")).is_admin = True
        db.session.commit()
        assert "to-operations" in client.get("/").text

    def test_strangers_are_asked_to_sign_in(self, app: Flask) -> None:
        page = app.test_client().get("/").text
        assert "Sign in to start" in page
        assert "<form" not in page

    def test_it_needs_no_script_and_allows_none(self, client: FlaskClient) -> None:
        for path in ("/", "/crews", "/sign-in"):
            answer = client.get(path)
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src" not in policy
            assert "unsafe" not in policy
            assert "<script" not in answer.text
            assert dangers(answer.text) == []

    def test_it_shows_ones_own_notes_and_which_a_crew_has_written(
        self, client: FlaskClient
    ) -> None:
        seed("bob")
        title = "<i>Moon & bees</i>"
        db.session.add_all(
            [
                Note(user_id=user_id("ada"), title=title, text="x", execution_id=uuid.uuid4()),
                Note(user_id=user_id("bob"), title="Secret", text="Bob's own"),
            ]
        )
        db.session.commit()
        page = client.get("/").text
        assert "&lt;i&gt;Moon &amp; bees&lt;/i&gt;" in page
        assert page.count("Written by") == 1
        assert "Secret" not in page

    def test_it_says_which_model_answers(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODEL_NAME", "gpt-x")
        assert "<code>gpt-x</code>" in client.get("/").text
        monkeypatch.setenv("MODEL_NAME", "scripted")
        assert "a scripted one answers" in client.get("/").text


class TestClick:
    @pytest.mark.settings(ACCEPT_WITHOUT_BROKER=True)
    @pytest.mark.parametrize("crew", [crew.graph for crew in CREWS])
    def test_it_queues_the_crew_and_leads_to_the_execution(
        self, client: FlaskClient, crew: str
    ) -> None:
        answer = client.post(f"/start/{crew}")
        assert answer.status_code == 303
        page = client.get(answer.headers["Location"])
        assert json.loads((GRAPHS / f"{crew}.json").read_text())["name"] in page.text

    @pytest.mark.settings(ACCEPT_WITHOUT_BROKER=True)
    def test_it_also_works_for_users_who_lack_the_graph(
        self, client: FlaskClient, ada: Seeded
    ) -> None:
        graphs = GraphService().for_user(user_id("ada"))
        graphs.archive(ada.graphs["newsletter"])
        assert client.post("/start/newsletter").status_code == 303

    def test_an_error_is_shown_on_the_page(self, client: FlaskClient) -> None:
        answer = client.post("/start/newsletter")
        assert answer.status_code == 503
        assert "The message broker did not answer" in answer.text

    def test_only_the_crews_of_the_page_can_be_started(self, client: FlaskClient) -> None:
        assert client.post("/start/fact_page").status_code == 404
        assert client.post("/start/..%2fnewsletter").status_code == 404
        assert client.get("/start/newsletter").status_code == 405

    def test_strangers_are_sent_to_sign_in(self, app: Flask) -> None:
        answer = app.test_client().post("/start/newsletter")
        assert answer.headers["Location"] == "/sign-in"

    def test_forms_of_other_sites_are_refused(self, client: FlaskClient) -> None:
        answer = client.post("/start/newsletter", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403


class TestSignIn:
    @pytest.mark.parametrize("site", ["cross-site", "same-site", None])
    def test_other_sites_cannot_choose_who_is_signed_in(
        self, app: Flask, ada: Seeded, site: str | None
    ) -> None:
        client = app.test_client()
        headers = {} if site is None else {"Sec-Fetch-Site": site}
        answer = client.get("/sign-in", query_string={"token": ada.token}, headers=headers)
        assert answer.status_code == 200
        assert ada.token not in answer.text
        assert client.get("/notes").status_code == 401

    def test_the_dashboard_sends_strangers_here(self, app: Flask) -> None:
        answer = app.test_client().get("/crewexec-dashboard/executions?status=failed")
        assert answer.headers["Location"].startswith("/sign-in?next=")

    @pytest.mark.parametrize(
        ("wanted", "place"),
        [
            ("/crewexec-dashboard/executions?status=failed",) * 2,
            ("//other.example/", "/"),
            ("/\\other.example/", "/"),
            ("https://other.example/", "/"),
            ("", "/"),
        ],
    )
    def test_people_come_back_to_pages_of_this_site_only(
        self, app: Flask, ada: Seeded, wanted: str, place: str
    ) -> None:
        query = {"next": wanted}
        answer = app.test_client().post("/sign-in", query_string=query, data={"token": ada.token})
        assert answer.headers["Location"] == place


class TestScript:
    def test_each_answer_belongs_to_a_task_of_a_graph(self) -> None:
        nodes = [
            node["data"].get("description", "")
            for path in GRAPHS.glob("*.json")
            for node in json.loads(path.read_text())["nodes"]
        ]
        parts = [rule.when for rule in rules(0.0) if rule.when]
        assert [part for part in parts if not any(str(part) in text for text in nodes)] == []

    @pytest.mark.parametrize("crew", [crew.graph for crew in CREWS])
    def test_each_task_of_the_start_page_has_an_answer(self, crew: str) -> None:
        document = json.loads((GRAPHS / f"{crew}.json").read_text())
        for node in document["nodes"]:
            if node["type"] == "task":
                assert len(answers_to(node["data"]["description"])[0]) > 60, node["id"]

    def test_words_come_at_the_pace_that_was_asked_for(self) -> None:
        assert {rule.chunk_delay for rule in rules(0.25)} == {0.25}


def answers_to(prompt: str) -> list[str]:
    """The texts of the rules that match a prompt after its tool calls, the first one first."""
    body = {"messages": [{"role": "user", "content": prompt}, {"role": "tool", "content": ""}]}
    fitting: list[Rule] = [rule for rule in rules(0.0) if rule.fits(body)]
    return [rule.text(body) or "" for rule in fitting]


def test_a_worker_that_starts_finds_a_server_for_the_unsteady_model() -> None:
    assert unsteady_base_url() != NOWHERE


def test_the_wait_before_a_retry_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRY_SECONDS", "0.5")
    app = create_app({"SQLALCHEMY_DATABASE_URI": "sqlite://"})
    assert app.config["CREWEXEC_RETRY_DELAY"] == 0.5
