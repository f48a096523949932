"""What executions ask people, on their pages."""

from __future__ import annotations

import typing as t

import pytest
from flask.testing import FlaskClient

from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.in_process import run
from support.input_requests import open_request
from support.input_requests import requests_of
from support.input_requests import reviewed

pytestmark = pytest.mark.usefixtures("registered")

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.fixture
def ada(client: FlaskClient) -> Pages:
    return Pages(client, "ada")


def waiting(api: Api, **data: t.Any) -> tuple[str, str]:
    """Return an execution that waits for people, and the path of its answer."""
    id = api.queue(reviewed(**data))
    assert run(id) == "waiting_input"
    return id, f"/input-requests/{open_request(api, id)['id']}/answer"


class TestReview:
    def test_shows_the_whole_draft_and_what_nobody_would_see(
        self, api: Api, model: ScriptedModel, ada: Pages
    ) -> None:
        model.on("Do a", "A\u202eB<script>" + "x" * 30_000)
        id, path = waiting(api, review={"message": "Good <b>?"})
        page = ada.read(f"/executions/{id}")
        assert "A[U+202E]B&lt;script&gt;" + "x" * 30_000 in page
        assert "Good &lt;b&gt;?" in page
        assert "waits for people" in page
        assert dangers(page) == []
        assert ada.post(path, decision="edit", edited="one\r\ntwo").status_code == 303
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "one\ntwo"

    def test_takes_the_words_of_a_change(self, api: Api, model: ScriptedModel, ada: Pages) -> None:
        id, path = waiting(api)
        assert ada.post(path, decision="change", text="shorter").status_code == 303
        assert run(id) == "waiting_input"
        assert "shorter" in model.calls[-1].prompt
        is_problem(ada.post(path, decision="approve"), 409, "input-answered")

    def test_takes_an_object_as_json(self, api: Api, model: ScriptedModel, ada: Pages) -> None:
        model.on("Do a", '{"x": 1}')
        id, path = waiting(api, output_schema=SCHEMA)
        for wrong in ("{", "[1]", '{"x": "y"}'):
            is_problem(ada.post(path, decision="edit", edited=wrong), 422, "invalid-request")
        assert ada.post(path, decision="edit", edited='{"x": 2}').status_code == 303
        assert run(id) == "completed"
        assert api.status(id)["result"]["json"] == {"x": 2}

    def test_only_those_who_are_asked_have_buttons(
        self, api: Api, client: FlaskClient, ada: Pages
    ) -> None:
        id, path = waiting(api, review={"assignees": {"users": ["eve"]}})
        assert 'value="approve"' not in ada.read(f"/executions/{id}")
        admin = Pages(client, "admin")
        page = admin.read(f"/executions/{id}")
        assert 'value="approve"' in page
        assert 'name="bypass" value="1" required' in page
        is_problem(ada.post(path, decision="approve"), 403, "not-asked")
        is_problem(Pages(client, "bob").post(path, decision="approve"), 404, "not-found")
        is_problem(admin.post(path, decision="approve"), 403, "not-asked")
        assert admin.post(path, decision="approve", bypass="1").status_code == 303
        assert requests_of(api, id)[0]["bypassed"]
