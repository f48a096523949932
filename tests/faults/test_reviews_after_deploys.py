"""The application is changed, or the day, while an execution waits for a review."""

from __future__ import annotations

import dataclasses
import time

import pytest

from flask_crewexec.registry.specs import GuardrailSpec
from support.graphs import documents
from support.in_process import run
from support.input_requests import answer
from support.input_requests import open_request
from support.input_requests import requests_of
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

pytestmark = pytest.mark.libraries


@pytest.fixture
def registry(app):
    """What the host has registered; the next attempt finds what a new worker would find."""
    registry = app.extensions["crewexec"].registry
    spec = GuardrailSpec(name="polite", description="x", function=lambda answer: True)
    registry.add_guardrail(spec)
    return registry


@pytest.fixture
def waiting(api, model, registry):
    """An execution whose draft, ALPHA, waits; its agent has called a tool before."""
    counted = ("count_words", {"text": "a b c"})
    model.add(Turn(when="Do a", raw=tool_calls(counted), results=0, times=1))
    model.add(Turn(when="Do a", reply="ALPHA", results=1, times=1))
    model.on("more", "GAMMA").on("Do a", "BETA")
    document = documents.chain("a", tools=("count_words",), model="default")
    data = {"human_input": True, "guardrails": [{"name": "polite"}]}
    id = api.queue(documents.with_data(document, "a", **data))
    assert run(id) == "waiting_input"
    assert open_request(api, id)["draft"] == {"text": "ALPHA"}
    return id


def change_tool(registry):
    def count_words(text: str, language: str) -> str:
        """Count the words of a text."""
        return "3"

    spec = registry.tools["count_words"]
    registry.tools["count_words"] = dataclasses.replace(spec, function=count_words)


def change_model(registry):
    spec = registry.llms["default"]
    registry.llms["default"] = dataclasses.replace(spec, model="gpt-9")


class TestDeploy:
    def test_that_changes_nothing_continues_at_the_very_call(self, api, model, waiting):
        answer(api, waiting, "change", text="more")
        assert run(waiting) == "waiting_input"
        assert len(model.calls) == 3
        assert open_request(api, waiting)["draft"] == {"text": "GAMMA"}
        assert "step_restarted" not in api.event_types(waiting)

    @pytest.mark.settings(MAX_RETRIES=0)
    @pytest.mark.parametrize(
        ("kind", "name"), [("tools", "count_words"), ("guardrails", "polite"), ("llms", "default")]
    )
    def test_that_removes_something_fails_with_the_reason_and_the_decision_stays(
        self, api, model, registry, waiting, kind, name
    ):
        answer(api, waiting, "approve")
        removed = getattr(registry, kind).pop(name)
        assert run(waiting) == "failed"
        error = api.status(waiting)["error"]
        assert error["code"] == "not-registered"
        assert f"'{name}'" in error["message"]
        (request,) = requests_of(api, waiting)
        assert (request["status"], request["decision"]) == ("answered", "approve")
        getattr(registry, kind)[name] = removed
        api.again(waiting)
        assert run(waiting) == "completed"
        assert api.status(waiting)["result"]["raw"] == "ALPHA"
        assert len(model.calls) == 2

    @pytest.mark.parametrize("deploy", [change_tool, change_model])
    def test_that_changes_what_the_agent_works_with_does_not_change_an_approved_draft(
        self, api, model, registry, waiting, deploy
    ):
        answer(api, waiting, "approve")
        deploy(registry)
        assert run(waiting) == "completed"
        assert "step_restarted" not in api.event_types(waiting)
        assert len(model.calls) == 2
        assert api.status(waiting)["result"]["raw"] == "ALPHA"

    @pytest.mark.parametrize("deploy", [change_tool, change_model])
    def test_that_changes_what_the_agent_works_with_restarts_the_step_and_the_decision_counts(
        self, api, model, registry, waiting, deploy
    ):
        answer(api, waiting, "change", text="more")
        deploy(registry)
        assert run(waiting) == "waiting_input"
        (restarted,) = api.events_of(waiting, "step_restarted")
        assert restarted["reason"] == "changed"
        assert len(model.calls) == 4
        assert "ALPHA" in str(model.calls[-1].body)
        assert open_request(api, waiting)["draft"] == {"text": "GAMMA"}

    def test_that_restarts_the_step_loses_no_words_of_later_rounds(
        self, api, model, registry, waiting
    ):
        answer(api, waiting, "change", text="more")
        change_model(registry)
        assert run(waiting) == "waiting_input"
        calls = len(model.calls)
        answer(api, waiting, "change", text="shorter")
        assert run(waiting) == "waiting_input"
        assert len(model.calls) == calls + 1
        asked = str(model.calls[-1].body)
        assert "shorter" in asked
        assert "GAMMA" in asked
        request = open_request(api, waiting)
        assert (request["draft"], request["round"]) == ({"text": "BETA"}, 3)
        assert len(api.events_of(waiting, "step_restarted")) == 1

    def test_may_come_between_a_cancellation_and_a_retry(self, api, model, registry, waiting):
        answer(api, waiting, "change", text="more")
        assert run(waiting) == "waiting_input"
        assert api("POST", f"/executions/{waiting}/cancel").status_code == 202
        change_model(registry)
        api.again(waiting)
        assert run(waiting) == "waiting_input"
        assert "ALPHA" in str(model.calls[-1].body)
        assert open_request(api, waiting)["draft"] == {"text": "GAMMA"}

    def test_may_come_before_an_edit_that_is_refused(self, api, model, registry, waiting):
        spec = registry.guardrails["polite"]
        strict = dataclasses.replace(spec, function=lambda answer: answer != "YOURS" or "be polite")
        registry.guardrails["polite"] = strict
        change_model(registry)
        answer(api, waiting, "edit", text="YOURS")
        assert run(waiting) == "waiting_input"
        assert "step_restarted" not in api.event_types(waiting)
        answer(api, waiting, "edit", text="MINE")
        assert run(waiting) == "completed"
        assert api.status(waiting)["result"]["raw"] == "MINE"

    def test_that_changes_a_guardrail_judges_only_what_is_written_from_now_on(
        self, api, model, registry, waiting
    ):
        spec = registry.guardrails["polite"]
        strict = dataclasses.replace(spec, function=lambda answer: "MINE" in answer or "be polite")
        registry.guardrails["polite"] = strict
        answer(api, waiting, "edit", text="YOURS")
        assert run(waiting) == "waiting_input"
        assert "be polite" in open_request(api, waiting)["problem"]
        answer(api, waiting, "edit", text="MINE")
        assert run(waiting) == "completed"
        assert len(model.calls) == 2


class TestMidnight:
    """Kiritimati is 25 hours ahead of Midway, so it always has another date."""

    @pytest.fixture
    def set_zone(self, monkeypatch):
        def set_zone(name):
            monkeypatch.setenv("TZ", name)
            time.tzset()
            return time.strftime("%Y-%m-%d")

        yield set_zone
        monkeypatch.undo()
        time.tzset()

    @pytest.mark.parametrize(("decision", "calls"), [("approve", 1), ("change", 2)])
    def test_a_prompt_with_the_date_is_replayed_as_it_was(
        self, api, model, set_zone, decision, calls
    ):
        document = documents.with_data(documents.chain("a"), "writer", inject_date=True)
        id = api.queue(documents.with_data(document, "a", human_input=True))
        before = set_zone("Pacific/Midway")
        assert run(id) == "waiting_input"
        assert before in str(model.calls[0].body)
        answer(api, id, decision, text="shorter")
        after = set_zone("Pacific/Kiritimati")
        assert after != before
        assert run(id) == ("completed" if decision == "approve" else "waiting_input")
        assert len(model.calls) == calls
        assert "step_restarted" not in api.event_types(id)
