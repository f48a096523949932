"""Steps that run in parallel, with the real engine."""

from __future__ import annotations

import threading
import uuid

import pytest

from support.graphs import documents
from support.in_process import change
from support.in_process import run
from support.in_process import running
from support.servers.processes import wait_until

pytestmark = pytest.mark.libraries


def document(**agent):
    """One agent; ``a`` and ``b`` run beside each other, ``end`` reads both."""
    nodes = [documents.agent("w", **agent), *(documents.task(id) for id in ("a", "b", "end"))]
    made = documents.crew(nodes, ["w a", "w b", "w end", "a end", "b end"])
    for id in "ab":
        documents.with_data(made, id, **{"async": True})
    return made


def steps(api, id):
    return {step["name"]: step for step in api.status(id)["steps"]}


def statuses(api, id):
    return {name: step["status"] for name, step in steps(api, id).items()}


class TestParallelSteps:
    def test_both_run_at_once_and_the_next_step_waits(self, app, api, model):
        release = threading.Event()
        model.on("Do end", "END")
        model.on("Do a", "ALPHA", hold=release).on("Do b", "BETA", hold=release)
        id = api.queue(document())
        with running(app, id) as outcomes:
            model.wait_for_calls(2)
            assert statuses(api, id) == {"a": "running", "b": "running", "end": "pending"}
            assert api.status(id)["progress"]["current_step"] in ("a", "b")
            release.set()
        assert outcomes == ["completed"]
        (last,) = model.calls_matching("Do end")
        assert "ALPHA" in last.prompt
        assert "BETA" in last.prompt
        status = api.status(id)
        assert status["progress"]["finished_steps"] == 3
        assert status["result"]["raw"] == "END"

    def test_the_status_names_the_branch_that_still_runs(self, app, api, model):
        release = threading.Event()
        model.on("Do end", "END").on("Do a", "ALPHA", hold=release)
        id = api.queue(document())
        with running(app, id):
            wait_until(lambda: statuses(api, id).get("b") == "completed", what="the second branch")
            progress = api.status(id)["progress"]
            assert (progress["finished_steps"], progress["current_step"]) == (1, "a")
            assert progress["current_agent"] == "W"
            release.set()

    def test_usage_and_events_belong_to_their_step(self, app, api, model):
        release = threading.Event()
        model.on("Do end", "END")
        model.on("Do a", "x " * 400, hold=release).on("Do b", "y", hold=release)
        id = api.queue(document())
        with running(app, id):
            model.wait_for_calls(2)
            release.set()
        found = steps(api, id)
        usage = {name: found[name]["usage"] for name in found}
        assert [usage[name]["llm_calls"] for name in usage] == [1, 1, 1]
        assert usage["a"]["completion_tokens"] > usage["b"]["completion_tokens"]
        total = sum(each["total_tokens"] for each in usage.values())
        assert api.status(id)["usage"]["total_tokens"] == total
        called = [event["step"] for event in api.events_of(id, "model_call_started")]
        assert sorted(called) == ["a", "b", "end"]
        assert (found["a"]["output"].strip(), found["b"]["output"]) == (("x " * 400).strip(), "y")

    def test_inputs_reach_the_agents_of_branches(self, api, model):
        id = api.queue(document(goal="Speak of {topic}"), inputs={"topic": "tea"})
        assert run(id) == "completed"
        told = [call.body["messages"][0]["content"] for call in model.calls]
        assert len([text for text in told if "Speak of tea" in text]) == 3

    def test_a_branch_is_checked_by_its_guardrails(self, api, model):
        model.on("Do end", "END")
        model.on("wants no links", "fine").on("Do a", "http://x").on("Do b", "y")
        id = api.queue(documents.with_data(document(), "a", guardrails=[{"name": "no_urls"}]))
        assert run(id) == "completed"
        assert steps(api, id)["a"]["output"] == "fine"
        assert steps(api, id)["a"]["usage"]["llm_calls"] == 2


class TestEnding:
    def test_a_step_that_completed_in_parallel_to_a_failure_is_not_repeated(self, app, api, model):
        release = threading.Event()
        model.on("Do end", "END")
        model.on("Do a", status=400, times=1).on("Do a", "ALPHA")
        model.on("Do b", "BETA", hold=release)
        id = api.queue(document())
        with running(app, id) as outcomes:
            model.wait_for_calls(1, matching="Do a", outcome="answered")
            model.wait_for_calls(1, matching="Do b")
            release.set()
        assert outcomes == ["failed"]
        assert api.status(id)["error"]["step"] == "a"
        assert statuses(api, id)["b"] == "completed"
        assert steps(api, id)["b"]["output"] == "BETA"
        api.again(id)
        assert run(id) == "completed"
        assert len(model.calls_matching("Do b")) == 1
        assert "BETA" in model.calls_matching("Do end")[0].prompt
        progress = api.status(id)["progress"]
        assert (progress["finished_steps"], progress["fraction"]) == (3, 1)

    def test_cancellation_ends_all_branches(self, app, api, model):
        release = threading.Event()
        model.on("Do", "late", hold=release)
        id = api.queue(document())
        with running(app, id) as outcomes:
            model.wait_for_calls(2)
            assert api("POST", f"/executions/{id}/cancel").status_code == 202
        release.set()
        assert outcomes == ["cancelled"]
        assert len(model.calls) == 2
        assert statuses(api, id) == {"a": "cancelled", "b": "cancelled", "end": "pending"}
        assert branches() == []

    @pytest.mark.parametrize("calls", [1, 2])
    def test_branches_share_the_budget(self, api, model, calls):
        id = api.queue(document(), max_llm_calls=calls)
        assert run(id) == "failed"
        status = api.status(id)
        assert status["error"]["code"] == "budget-exhausted"
        assert status["usage"]["llm_calls"] == len(model.calls) == calls

    def test_steps_that_complete_when_the_budget_is_used_up_are_stored(self, app, api, model):
        release = threading.Event()
        model.on("Do end", "END")
        model.on("Do", "done", hold=release)
        id = api.queue(document(), max_llm_calls=1)
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            wait_until(lambda: len(branches()) == 1, what="the end of the other branch")
            release.set()
        assert outcomes == ["failed"]
        assert api.status(id)["error"]["code"] == "budget-exhausted"
        assert sorted(statuses(api, id).values()) == ["completed", "failed", "pending"]
        assert api.status(id)["progress"]["finished_steps"] == 1
        api("POST", f"/executions/{id}/retry", json={"max_llm_calls": 3})
        assert run(id) == "completed"
        assert len(model.calls) == 3

    def test_branches_without_a_valid_lease_write_nothing(self, app, api, model):
        release = threading.Event()
        model.on("Do", "late", hold=release)
        id = api.queue(document())
        with running(app, id):
            model.wait_for_calls(2)
            change(id, token=uuid.uuid4())
            release.set()
        assert all(step["output"] is None for step in api.status(id)["steps"])
        assert api.status(id)["status"] == "running"
        assert branches() == []

    def test_a_tool_that_tries_to_end_the_process_has_failed(self, api, model):
        made = document()
        made["nodes"].append(documents.named("exit", "tool"))
        made["edges"].append({"source": "exit", "target": "w"})
        model.on("Do a", tool=("exit", {}), after_tool=False, times=1)
        id = api.queue(made)
        assert run(id) == "completed"
        (event,) = api.events_of(id, "tool_failed")
        assert event["reason"] == "The tool 'exit' has failed."


def branches():
    """Threads of branches that still run."""
    return [thread for thread in threading.enumerate() if thread.name == "crewexec-branch"]
