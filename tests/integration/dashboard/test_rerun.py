"""Running something again from its page: other limits, another output, and what has changed."""

from __future__ import annotations

import re
import typing as t

import pytest

from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.in_process import column
from support.in_process import run

pytestmark = pytest.mark.usefixtures("registered")


def place_of(answer: t.Any) -> str:
    """The id of the execution to whose page an answer leads."""
    assert answer.status_code == 303, answer.text
    return t.cast(str, answer.headers["Location"].rpartition("/")[2])


@pytest.fixture
def done(api: Api, model: ScriptedModel) -> str:
    """A completed execution of two steps."""
    model.on("Do a", "ALPHA").on("Do b", "BETA")
    id = api.queue(documents.chain("a", "b"))
    assert run(id) == "completed"
    return id


class TestLimits:
    def test_an_exhausted_budget_can_be_raised(
        self, api: Api, pages: Pages, model: ScriptedModel
    ) -> None:
        model.on("Do a", "ALPHA").on("Do b", "BETA")
        id = api.queue(documents.chain("a", "b"), max_llm_calls=1)
        run(id)
        actions = section(pages.read(f"/executions/{id}"), "actions")
        assert '<details id="retry-limits" open>' in actions
        assert re.search(r'name="max_llm_calls"[^>]* placeholder="1"', actions)
        place_of(pages.post(f"/executions/{id}/retry", max_llm_calls="5", max_tokens=""))
        assert column(id, "max_llm_calls") == 5
        assert run(id) == "completed"
        assert len(model.calls) == 2

    @pytest.mark.parametrize("text", ["many", "-1", "1.5", "٣", "9" * 40])
    def test_what_is_no_limit_is_refused(self, api: Api, pages: Pages, text: str) -> None:
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        answer = pages.post(f"/executions/{id}/retry", max_llm_calls=text)
        is_problem(answer, 422, "invalid-request")
        assert column(id, "status") == "cancelled"


class TestForks:
    def test_a_step_runs_again_and_those_before_are_taken_over(
        self, pages: Pages, model: ScriptedModel, done: str
    ) -> None:
        fork = place_of(pages.post(f"/executions/{done}/fork", step="b"))
        assert run(fork) == "completed"
        assert [call.prompt.count("Do b") > 0 for call in model.calls[2:]] == [True]
        summary = section(pages.read(f"/executions/{fork}"), "summary")
        assert f'href="/crewexec-dashboard/executions/{done}">another execution' in summary
        assert f"/executions/{done}/compare/{fork}" in summary

    def test_another_output_reaches_the_next_step(
        self, pages: Pages, model: ScriptedModel, done: str
    ) -> None:
        text = "GAMMA\r\nwith two lines"
        answer = pages.post(f"/executions/{done}/fork", large=True, step="a", output=text)
        assert run(place_of(answer)) == "completed"
        assert "GAMMA\nwith two lines" in model.calls[-1].prompt
        assert len(model.calls) == 3

    def test_only_owners_see_the_forms(self, pages: Pages, admins: Pages, done: str) -> None:
        forms = f"/executions/{done}/steps/1/again"
        assert forms in pages.read(f"/executions/{done}")
        assert "BETA</textarea>" in pages.read(forms)
        assert forms not in admins.read(f"/executions/{done}")
        is_problem(admins.get(forms), 403, "forbidden")

    def test_strangers_and_other_steps_get_no_forms(
        self, pages: Pages, strangers: Pages, done: str
    ) -> None:
        is_problem(strangers.get(f"/executions/{done}/steps/1/again"), 404, "not-found")
        is_problem(pages.get(f"/executions/{done}/steps/2/again"), 404, "not-found")

    def test_a_strangers_execution_cannot_be_forked(self, strangers: Pages, done: str) -> None:
        is_problem(strangers.post(f"/executions/{done}/fork", step="b"), 404, "not-found")

    def test_a_step_that_is_not_there_is_refused(self, pages: Pages, done: str) -> None:
        is_problem(pages.post(f"/executions/{done}/fork", step="c"), 422, "invalid-request")


class TestComparison:
    def test_outputs_and_figures_that_differ_are_shown(
        self, pages: Pages, model: ScriptedModel, done: str
    ) -> None:
        hostile = "<script>alert(1)</script>"
        answer = pages.post(f"/executions/{done}/fork", step="b", output=hostile)
        fork = place_of(answer)
        run(fork)
        page = pages.read(f"/executions/{done}/compare/{fork}")
        assert dangers(page) == []
        told = text_of(page)
        assert "a: the same output reused" in told
        assert "b: another output edited" in told
        assert "-BETA" in told
        assert f"+{hostile}" in told
        assert "Model calls 2 0 -2" in told

    def test_strangers_see_nothing(self, strangers: Pages, done: str) -> None:
        is_problem(strangers.get(f"/executions/{done}/compare/{done}"), 404, "not-found")
