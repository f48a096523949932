"""Limits of the calls, tokens and seconds of an execution."""

from __future__ import annotations

import json
import threading

import pytest

from flask_crewexec.runtime.crewai_shims.tool_calls import MAX_CALLS
from flask_crewexec.storage import database_clock
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import change
from support.in_process import column
from support.in_process import run
from support.in_process import running


@pytest.fixture(autouse=True)
def answers(model):
    model.on("Do a", "ALPHA").on("Do b", "BETA").on("Do c", "GAMMA")


def used(status):
    return status["usage"]["llm_calls"], status["usage"]["total_tokens"]


def outputs(status):
    return [step["output"] for step in status["steps"]]


class TestCalls:
    def test_it_ends_before_the_call_that_would_exceed_the_limit(self, api, model, reconcile):
        id = api.queue(documents.chain("a", "b", "c"), max_llm_calls=2)
        assert run(id) == "failed"
        status = api.status(id)
        assert status["error"]["code"] == "budget-exhausted"
        assert status["error"]["step"] == "c"
        assert "2 model calls" in status["error"]["message"]
        assert [step["status"] for step in status["steps"]] == ["completed", "completed", "failed"]
        assert outputs(status) == ["ALPHA", "BETA", None]
        assert status["usage"]["llm_calls"] == len(model.calls) == 2
        assert status["limits"]["max_llm_calls"] == 2
        assert reconcile()["retried"] == 0

    def test_a_limit_that_is_just_enough_is_enough(self, api, model):
        id = api.queue(documents.chain("a", "b"), max_llm_calls=2)
        assert run(id) == "completed"

    @pytest.mark.settings(MAX_LLM_CALLS=1)
    def test_the_limit_of_the_settings(self, api, model):
        id = api.queue(documents.chain("a", "b"))
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 1

    def test_a_retry_with_a_higher_limit_continues(self, api, model):
        id = api.queue(documents.chain("a", "b", "c"), max_llm_calls=2)
        run(id)
        answer = api("POST", f"/executions/{id}/retry", json={"max_llm_calls": 3})
        assert answer.status_code == 202
        assert run(id) == "completed"
        status = api.status(id)
        assert (outputs(status), status["error"]) == (["ALPHA", "BETA", "GAMMA"], None)
        assert status["usage"]["llm_calls"] == len(model.calls) == 3

    def test_a_retry_with_the_same_limit_makes_no_call(self, api, model):
        id = api.queue(documents.chain("a", "b"), max_llm_calls=1)
        run(id)
        api("POST", f"/executions/{id}/retry")
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert outputs(api.status(id)) == ["ALPHA", None]
        assert len(model.calls) == 1

    def test_attempts_after_errors_count_together(self, api, model, settle):
        id = api.queue(documents.chain("d"), max_llm_calls=2)
        model.on("Do d", status=500)
        assert run(id) == "retrying"
        settle(id, "queued")
        assert run(id) == "retrying"
        settle(id, "queued")
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 2

    def test_a_model_that_calls_tools_endlessly_is_stopped(self, api, model):
        model.add(Rule(when="Do t", tool=("count_words", {"text": "x"})))
        id = api.queue(documents.chain("t", tools=("count_words",)), max_llm_calls=3)
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 3


class TestToolCalls:
    @pytest.fixture
    def made(self, app):
        """The arguments of the calls of the tool that counts them."""
        made: list[str] = []

        @app.extensions["crewexec_host"].tool("count")
        def count(text: str) -> str:
            """Count a call."""
            made.append(text)
            return text

        return made

    def queue(self, api, model, calls, **limits):
        """Queue a task whose model makes *calls* tool calls in its first answer."""
        model.add(Rule(raw=answer_with(calls), after_tool=False), Rule(reply="DONE"))
        return api.queue(documents.chain("t", tools=("count",)), **limits)

    def queue_two(self, api, model, **limits):
        """Queue a task that makes two tool calls, one after the other, unless it is stopped."""
        model.add(Rule(tool=("count", {"text": "first"}), after_tool=False))
        model.add(Rule(tool=("count", {"text": "second"}), times=2), Rule(reply="DONE"))
        return api.queue(documents.chain("t", tools=("count",)), **limits)

    def test_it_ends_before_the_call_that_would_exceed_the_limit(self, api, model, made):
        id = self.queue(api, model, 5, max_tool_calls=3)
        assert run(id) == "failed"
        status = api.status(id)
        assert status["error"]["code"] == "budget-exhausted"
        assert "3 tool calls" in status["error"]["message"]
        assert status["usage"] == status["steps"][0]["usage"]
        assert status["usage"]["tool_calls"] == len(made) <= 3  # they are made in parallel

    def test_a_retry_with_a_higher_limit_continues(self, api, model, made):
        id = self.queue_two(api, model, max_tool_calls=1)
        run(id)
        assert api("POST", f"/executions/{id}/retry").status_code == 202
        assert run(id) == "failed"
        assert len(made) == 1
        api("POST", f"/executions/{id}/retry", json={"max_tool_calls": 3})
        assert run(id) == "completed"
        assert api.status(id)["usage"]["tool_calls"] == len(made) == 3

    @pytest.mark.settings(MAX_TOOL_CALLS=1)
    def test_the_limit_of_the_settings(self, api, model, made):
        assert run(self.queue_two(api, model)) == "failed"
        assert len(made) == 1

    def test_of_one_answer_only_some_are_made_and_the_model_is_told(self, api, model, made):
        id = self.queue(api, model, 5000)
        assert run(id) == "completed"
        assert sorted(made) == sorted(f"call {number}" for number in range(MAX_CALLS))
        assert column(id, "last_event") < 3 * MAX_CALLS  # those beyond leave no events
        *told, refused = model.calls[1].body["messages"][-MAX_CALLS - 1 :]
        assert all(message["content"].startswith("call ") for message in told)
        assert "5000 tool calls" in refused["content"]


def answer_with(calls: int) -> bytes:
    """Return a model's answer that calls a tool many times."""
    functions = [{"name": "count", "arguments": f'{{"text": "call {i}"}}'} for i in range(calls)]
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": f"call_{number}", "type": "function", "function": function}
            for number, function in enumerate(functions)
        ],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    used = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    common = {"id": "1", "object": "chat.completion", "created": 0, "model": "scripted"}
    return json.dumps({**common, "choices": [choice], "usage": used}).encode()


class TestTokens:
    def test_no_call_is_made_once_the_tokens_are_used(self, api, model):
        id = api.queue(documents.chain("a", "b"), max_tokens=1)
        assert run(id) == "failed"
        status = api.status(id)
        assert status["error"]["code"] == "budget-exhausted"
        assert outputs(status) == ["ALPHA", None]
        assert len(model.calls) == 1
        assert used(status) == (1, status["steps"][0]["usage"]["total_tokens"])
        assert f"{used(status)[1]} tokens; its limit is 1" in status["error"]["message"]

    @pytest.mark.settings(MAX_TOKENS=1)
    def test_the_limit_of_the_settings(self, api, model):
        id = api.queue(documents.chain("a", "b"))
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert len(model.calls) == 1

    def test_tokens_of_streams_count(self, api, model):
        id = api.queue(documents.chain("a", "b", model="streaming"), max_tokens=1)
        assert run(id) == "failed"
        assert len(model.calls) == 1

    def test_a_retry_with_a_higher_limit_continues(self, api, model):
        id = api.queue(documents.chain("a", "b"), max_tokens=1)
        run(id)
        before = used(api.status(id))
        api("POST", f"/executions/{id}/retry", json={"max_tokens": 100_000})
        assert run(id) == "completed"
        assert len(model.calls) == 2
        assert used(api.status(id)) > before


ABOVE = [{"max_llm_calls": 6}, {"max_tool_calls": 7}, {"max_tokens": 501}, {"timeout": 51}]


@pytest.mark.settings(MAX_LLM_CALLS=5, MAX_TOOL_CALLS=6, MAX_TOKENS=500, MAX_RUNTIME=50)
class TestAsking:
    @pytest.mark.parametrize("limit", ABOVE)
    def test_more_than_the_settings_allow_is_refused(self, api, limit):
        graph = api.graph(documents.chain("a"))
        refused(api("POST", "/executions", json={"graph_id": graph, **limit}), limit)

    @pytest.mark.parametrize("limit", ABOVE)
    def test_a_retry_with_more_than_the_settings_allow_is_refused(self, api, limit):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        refused(api("POST", f"/executions/{id}/retry", json=limit), limit)
        assert api.status(id)["status"] == "cancelled"

    def test_the_maximum_of_the_settings_is_allowed(self, api):
        limits = {"max_llm_calls": 5, "max_tool_calls": 6, "max_tokens": 500, "timeout": 50}
        id = api.queue(documents.chain("a"), **limits)
        assert api.status(id)["limits"] == limits

    @pytest.mark.settings(MAX_LLM_CALLS=None)
    def test_without_any_limit_of_model_calls_the_graph_gives_one(self, api):
        id = api.queue(documents.with_data(documents.chain("a"), "writer", max_iter=29))
        assert api.status(id)["limits"]["max_llm_calls"] == 3 * (29 + 1)

    def test_without_limits_those_of_the_settings_apply(self, api):
        id = api.queue(documents.chain("a"))
        limits = {"max_llm_calls": 5, "max_tool_calls": 6, "max_tokens": 500, "timeout": 50}
        assert api.status(id)["limits"] == limits


def refused(answer, limit):
    assert answer.status_code == 422
    (problem,) = answer.json["errors"]
    assert problem["code"] == "above-limit"
    assert problem["pointer"] == f"/{next(iter(limit))}"


class TestTime:
    def test_a_hanging_call_is_cut(self, api, model):
        model.on("Do h", hold=threading.Event())
        id = api.queue(documents.chain("a", "h", "c"), timeout=5)
        assert run(id) == "timed_out"
        status = api.status(id)
        assert (status["status"], status["error"]["code"]) == ("timed_out", "deadline-exceeded")
        assert status["error"]["step"] == "h"
        assert outputs(status) == ["ALPHA", None, None]
        assert status["finished_at"]
        assert api.event_types(id)[-1] == "timed_out"
        assert model.wait_for_calls(1, matching="Do h", outcome="disconnected")
        assert len(model.calls) == 2

    @pytest.mark.settings(MAX_RUNTIME=1)
    def test_the_limit_of_the_settings(self, api, model):
        model.on("Do h", hold=threading.Event())
        id = api.queue(documents.chain("h"))
        assert run(id) == "timed_out"

    def test_a_timed_out_execution_can_be_retried(self, api, model):
        model.on("Do h", hold=threading.Event(), times=1)
        model.on("Do h", "HOTEL")
        id = api.queue(documents.chain("a", "h"), timeout=3)
        assert run(id) == "timed_out"
        assert api("POST", f"/executions/{id}/retry", json={"timeout": 60}).status_code == 202
        assert run(id) == "completed"
        assert outputs(api.status(id)) == ["ALPHA", "HOTEL"]
        assert len(model.calls_matching("Do a")) == 1

    def test_the_deadline_counts_from_the_first_attempt(self, api, model, settle):
        model.on("Do d", status=500, times=1)
        id = api.queue(documents.chain("d"), timeout=100)
        assert column(id, "deadline") is None
        run(id)
        first = column(id, "deadline")
        settle(id, "queued")
        assert run(id) == "completed"
        assert column(id, "deadline") == first is not None

    @pytest.mark.settings(RETRY_DELAY=1000)
    def test_it_passes_while_a_retry_waits(self, api, model, reconcile):
        model.on("Do d", status=500)
        id = api.queue(documents.chain("a", "d"), timeout=100)
        assert run(id) == "retrying"
        change(id, deadline=database_clock.seconds_from_now(-1))
        assert reconcile()["timed_out"] == 1
        status = api.status(id)
        assert (status["status"], status["error"]["code"]) == ("timed_out", "deadline-exceeded")
        assert (outputs(status), status["next_attempt_at"]) == (["ALPHA", None], None)
        assert status["finished_at"]
        assert api.event_types(id)[-1] == "timed_out"
        assert reconcile()["timed_out"] == 0

    def test_it_ends_rather_than_starting_a_retry_that_is_due(self, api, model, reconcile):
        model.on("Do d", status=500)
        id = api.queue(documents.chain("d"), timeout=100)
        run(id)
        past = database_clock.seconds_from_now(-1)
        change(id, deadline=past, available_at=past)
        done = reconcile()
        assert (done["timed_out"], done["retried"]) == (1, 0)
        assert len(model.calls) == 1

    def test_an_attempt_that_is_queued_past_the_deadline_is_not_claimed(
        self, api, model, reconcile
    ):
        id = api.queue(documents.chain("a"))
        change(id, deadline=database_clock.seconds_from_now(-1))
        assert run(id) == "not-claimed"
        assert reconcile()["timed_out"] == 1
        assert api.status(id)["status"] == "timed_out"
        assert model.calls == ()

    def test_time_in_the_queue_before_the_first_start_does_not_count(self, api, reconcile):
        id = api.queue(documents.chain("a"), timeout=30)
        change(
            id,
            created_at=database_clock.seconds_from_now(-1000),
            queued_at=database_clock.seconds_from_now(-1000),
        )
        assert reconcile()["timed_out"] == 0
        assert run(id) == "completed"

    def test_a_run_is_not_ended_by_the_reconciler(self, app, api, model, reconcile):
        gate = threading.Event()
        model.on("Do h", "HOTEL", hold=gate)
        id = api.queue(documents.chain("h"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            change(id, deadline=database_clock.seconds_from_now(-1))
            assert reconcile()["timed_out"] == 0
            gate.set()
        assert outcomes == ["completed"]
