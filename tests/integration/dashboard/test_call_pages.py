"""The pages of calls, with real executions, and without a browser."""

from __future__ import annotations

import re
import typing as t
import uuid

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.statuses import CallKind
from flask_crewexec.statuses import CallStatus
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import change
from support.in_process import run
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

HOSTILE = "<script>alert(1)</script>\"><img src=x onerror='alert(1)'>"


def queue(api: Api, model: ScriptedModel, answer: str = "THREE") -> str:
    """Queue an execution of one step with a model call, a tool call, and a model call."""
    words = "count_words", {"text": "a b c"}
    model.add(Turn(raw=tool_calls(words), results=0), Turn(reply=answer, results=1))
    return api.queue(documents.chain("a", tools=("count_words",)))


@pytest.fixture
def counted(api: Api, model: ScriptedModel) -> str:
    id = queue(api, model)
    assert run(id) == "completed"
    return id


def add_calls(id: str, numbers: range, **more: t.Any) -> None:
    """Store calls of the first step."""
    row = {
        "execution_id": uuid.UUID(id),
        "attempt": 1,
        "step": 0,
        "path": "0",
        "kind": CallKind.TOOL,
        "name": "count_words",
        "status": CallStatus.DONE,
        "started_at": clock.now(),
    }
    with current_app_state().database.write_transaction() as session:
        rows = [{**row, **more, "number": number} for number in numbers]
        session.execute(sa.insert(current_app_state().models.call), rows)


def listed(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<li id="call-(\d+)"', page)]


class TestList:
    def test_the_page_of_the_execution_contains_no_call(self, pages: Pages, counted: str) -> None:
        page = pages.read(f"/executions/{counted}")
        assert listed(page) == []
        assert f'data-source="/crewexec-dashboard/executions/{counted}/calls?step=0"' in page
        assert "a b c" not in page

    def test_of_a_step_and_of_the_execution(self, pages: Pages, counted: str) -> None:
        add_calls(counted, range(4, 5), step=None, kind=CallKind.MODEL)
        assert listed(pages.read(f"/executions/{counted}/calls", step=0)) == [1, 2, 3]
        assert listed(pages.read(f"/executions/{counted}/calls", step=1)) == []
        everything = pages.read(f"/executions/{counted}/calls")
        assert listed(everything) == [1, 2, 3, 4]
        assert "outside of steps" in everything
        assert "a b c" not in everything

    def test_page_by_page(self, pages: Pages, counted: str) -> None:
        add_calls(counted, range(4, 131))
        first = pages.read(f"/executions/{counted}/calls", step=0)
        assert listed(first) == [*range(1, 101)]
        assert f"/executions/{counted}/calls?step=0&amp;after=100" in first
        rest = pages.read(f"/executions/{counted}/calls", step=0, after=100)
        assert listed(rest) == [*range(101, 131)]
        assert 'rel="next"' not in rest

    def test_lists_of_steps_that_go_on_are_live(self, api: Api, pages: Pages, counted: str) -> None:
        path = f"/executions/{counted}/calls"
        assert 'data-live="no"' in pages.read(path, step=0)
        change(counted, status="running")
        assert 'data-live="no"' in pages.read(path, step=0)
        assert 'data-live="yes"' in pages.read(path, step=1)
        assert "No calls yet." in pages.read(path, step=1)

    @pytest.mark.parametrize("query", [{"step": "x"}, {"step": "-1"}, {"after": "x"}])
    def test_ranges_that_cannot_be_are_refused(
        self, pages: Pages, counted: str, query: dict[str, str]
    ) -> None:
        is_problem(pages.get(f"/executions/{counted}/calls", **query), 422, "invalid-request")

    def test_what_was_interrupted_is_unknown(self, pages: Pages, counted: str) -> None:
        add_calls(counted, range(4, 5), status=CallStatus.STARTED)
        page = pages.read(f"/executions/{counted}/calls", step=0)
        assert "outcome unknown" in page
        assert 'data-ended="no"' not in page
        assert "may have had its effect" in pages.read(f"/executions/{counted}/calls/4")

    def test_delegated_calls_name_their_parent(self, pages: Pages, counted: str) -> None:
        add_calls(counted, range(4, 5), parent=2, generation=1, attempt=2)
        assert "call-within" in pages.read(f"/executions/{counted}/calls", step=0)
        told = text_of(pages.read(f"/executions/{counted}/calls/4"))
        assert "delegated by call 2" in told
        assert "after 1 restart of the step" in told


@pytest.mark.sqlite_enough
class TestCall:
    def test_a_model_call_shows_what_was_new(self, pages: Pages, counted: str) -> None:
        first = pages.read(f"/executions/{counted}/calls/1")
        assert "Calls count_words" in first
        assert "Whole prompt" not in first
        last = pages.read(f"/executions/{counted}/calls/3")
        assert "THREE" in last
        assert "New in the prompt" in last
        assert "You are Writer" not in last
        whole = pages.read(f"/executions/{counted}/calls/3/prompt")
        assert "You are Writer" in whole
        assert "tool (new)" in whole

    @pytest.mark.settings(MAX_STATUS_CHARS=100)
    def test_a_prompt_that_is_too_large_links_to_its_beginning(
        self, pages: Pages, counted: str
    ) -> None:
        whole = pages.read(f"/executions/{counted}/calls/3/prompt")
        assert "You are Writer" not in whole
        assert 'id="call-3-all-4-1"' in whole
        assert f'href="/crewexec-dashboard/executions/{counted}/calls/1/prompt"' in whole
        assert "You are Writer" in pages.read(f"/executions/{counted}/calls/1/prompt")

    def test_a_tool_call_shows_arguments_and_result(self, pages: Pages, counted: str) -> None:
        told = text_of(pages.read(f"/executions/{counted}/calls/2"))
        assert 'Arguments { "text": "a b c" }' in told
        assert "Result 3" in told

    def test_a_failed_call_shows_why(self, api: Api, pages: Pages, model: ScriptedModel) -> None:
        model.on(status=401, reply="no")
        id = api.queue(documents.chain("a"))
        run(id)
        page = pages.read(f"/executions/{id}")
        assert f'href="/crewexec-dashboard/executions/{id}/calls/1"' in page
        told = text_of(pages.read(f"/executions/{id}/calls/1"))
        assert "provider refused the API key. model-refused-key · HTTP status 401" in told
        assert "failed: model refused key" in pages.read(f"/executions/{id}/calls")

    def test_checks_show_their_verdict(self, api: Api, pages: Pages, model: ScriptedModel) -> None:
        model.on(reply="See https://example.com", times=1).on(reply="No link.")
        document = documents.with_data(documents.chain("a"), "a", guardrails=[{"name": "no_urls"}])
        id = api.queue(document)
        run(id)
        assert "ada wants no links." in text_of(pages.read(f"/executions/{id}/calls/2"))
        assert "rejected the answer" in pages.read(f"/executions/{id}/calls/2")
        assert "accepted the answer" in pages.read(f"/executions/{id}/calls/4")

    def test_the_host_may_hide_texts(self, app: Flask, pages: Pages, counted: str) -> None:
        app.extensions["crewexec_host"].redactor(lambda text, goes: text.replace("THREE", "***"))
        assert "***" in pages.read(f"/executions/{counted}/calls/3")
        assert "THREE" not in pages.read(f"/executions/{counted}/calls/3")

    @pytest.mark.parametrize("number", ["9", "x", "99999999999"])
    @pytest.mark.parametrize("more", ["", "/prompt"])
    def test_a_call_that_does_not_exist(
        self, pages: Pages, counted: str, number: str, more: str
    ) -> None:
        path = f"/executions/{counted}/calls/{number}{more}"
        is_problem(pages.get(path), 404, "not-found")

    def test_markup_comes_out_escaped(self, api: Api, pages: Pages, model: ScriptedModel) -> None:
        id = queue(api, model, HOSTILE)
        run(id)
        add_calls(
            id,
            range(4, 5),
            name=HOSTILE,
            agent=HOSTILE,
            request={"arguments": {HOSTILE: HOSTILE}},
            answer={"text": HOSTILE},
            error={"code": HOSTILE},
            status="failed",
        )
        for path in ("calls", "calls/3", "calls/4", "calls/3/prompt"):
            assert dangers(pages.read(f"/executions/{id}/{path}")) == []
        assert "alert(1)" in text_of(pages.read(f"/executions/{id}/calls/4"))


@pytest.mark.sqlite_enough
class TestWhoSees:
    @pytest.mark.parametrize("path", ["calls", "calls/1", "calls/3/prompt"])
    def test_owners_and_managers_only(
        self, pages: Pages, strangers: Pages, admins: Pages, counted: str, path: str
    ) -> None:
        for user in (pages, admins):
            assert user.get(f"/executions/{counted}/{path}").status_code == 200
        is_problem(strangers.get(f"/executions/{counted}/{path}"), 404, "not-found")

    @pytest.mark.settings(MANAGERS_SEE_CONTENT=False)
    def test_managers_may_see_the_shape_only(
        self, pages: Pages, admins: Pages, counted: str
    ) -> None:
        assert listed(admins.read(f"/executions/{counted}/calls", step=0)) == [1, 2, 3]
        for path, said in (("1", "Calls count_words"), ("2", "a b c"), ("3", "THREE")):
            seen = admins.read(f"/executions/{counted}/calls/{path}")
            assert "shown only to the user whose execution it is" in seen
            assert said not in seen
            assert said in pages.read(f"/executions/{counted}/calls/{path}")
        assert "You are Writer" not in admins.read(f"/executions/{counted}/calls/3/prompt")

    @pytest.mark.settings(CALL_LOG="shape")
    def test_contents_that_are_not_kept_are_said_to_be_gone(
        self, pages: Pages, counted: str
    ) -> None:
        assert pages.read(f"/executions/{counted}/calls").count("contents not kept") == 3
        assert "What was said is not kept." in pages.read(f"/executions/{counted}/calls/2")
        assert "prompt is not kept" in pages.read(f"/executions/{counted}/calls/3/prompt")

    @pytest.mark.settings(CALL_LOG="off")
    def test_calls_that_are_not_kept_are_said_to_be_gone(self, pages: Pages, counted: str) -> None:
        assert "not kept any more" in pages.read(f"/executions/{counted}/calls", step=0)

    @pytest.mark.settings(MAX_CALL_CHARS=3000)
    def test_what_is_cut_is_said(self, api: Api, pages: Pages, model: ScriptedModel) -> None:
        model.on(reply="x" * 5000)
        id = api.queue(documents.chain("a"))
        run(id)
        assert '<span class="mark">cut</span>' in pages.read(f"/executions/{id}/calls")
        assert "Cut: long texts" in pages.read(f"/executions/{id}/calls/1")
