"""Runs that are killed in the middle of a step, and continue at the very call.

A process is killed before and after each of its writes. No answer that was written is asked for
again, and each effect of a tool happens once; except for what was under way at the kill, which is
made again, since nobody can know how it has ended.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import typing as t
import uuid
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.runtime import llm_builder
from flask_crewexec.runtime.crewai_shims.openai_llm import OpenAILLM
from flask_crewexec.tasks import cleanup
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.host_app import host
from support.in_process import change
from support.in_process import run
from support.in_process import stored_calls
from support.scripted_turns import Call
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

pytestmark = pytest.mark.python

LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


def note(text: str) -> Call:
    return "write_note", {"text": text}


def check(calls, written: Counter[str]) -> int:
    """Check the calls of a completed execution; return how many answers were lost."""
    done = Counter((call.kind, call.path, call.digest) for call in calls if call.status == "done")
    assert set(done.values()) == {1}, "an answer or a result was stored twice"
    unknown = Counter(json.dumps(call.request) for call in calls if call.status == "unknown")
    for text, times in written.items():
        in_flight = unknown[json.dumps({"arguments": {"text": text}})]
        assert 1 <= times <= 1 + in_flight, text
    return sum(call.kind == "model" and call.status == "started" for call in calls)


class Crew(t.NamedTuple):
    """A crew, and how its model answers."""

    document: dict[str, t.Any]
    rules: list[Rule]
    asked: int
    """How often its model is asked."""
    notes: set[str]


def tools_at_once() -> Crew:
    """Three answers: two calls of tools, another two, and the text."""
    count: Call = ("count_words", {"text": "a b c"})
    rules = [
        Turn(raw=tool_calls(note("one"), note("two")), results=0),
        Turn(raw=tool_calls(note("three"), count), results=2),
        Turn(reply="DONE", results=4),
    ]
    document = documents.chain("a", tools=("write_note", "count_words"))
    return Crew(document, [*rules], asked=3, notes={"one", "two", "three"})


def delegated_work() -> Crew:
    """A manager whose coworker writes a note, and whose first answer a guardrail refuses."""
    nodes = [
        documents.agent("boss"),
        documents.agent("writer"),
        documents.task("a"),
        documents.named("write_note", "tool"),
    ]
    edges = ["boss writer manager", "writer a", "write_note writer"]
    document = documents.crew(nodes, edges, process="hierarchical")
    document = documents.with_data(document, "a", guardrails=[{"name": "no_urls"}])
    order = {"task": "Dig a hole", "context": "none", "coworker": "Writer"}
    rules = [
        Turn(when="Dig a hole", raw=tool_calls(note("dug")), results=0),
        Turn(when="Dig a hole", reply="DUG", results=1),
        Turn(when="wants no links", reply="DONE", results=0),
        Turn(raw=tool_calls(("delegate_work_to_coworker", order)), results=0),
        Turn(reply="See https://example.com", results=1),
    ]
    return Crew(document, [*rules], asked=5, notes={"dug"})


def judged_answers() -> Crew:
    """A model judges the answers, and refuses the first one."""
    document = documents.with_data(documents.chain("a"), "a", guardrails=[{"text": "Be kind."}])
    rules = [
        Turn(when=r"# Rule[\s\S]*RUDE", reply='{"valid": false, "feedback": "be kinder"}'),
        Turn(when="# Rule", reply='{"valid": true}'),
        Turn(when="be kinder", reply="DONE"),
        Turn(reply="RUDE"),
    ]
    return Crew(document, [*rules], asked=4, notes=set())


def parallel_steps() -> Crew:
    """Two steps at once, each with a tool, and one that waits for both."""
    nodes = [documents.agent("w"), *map(documents.task, "abc")]
    nodes.append(documents.named("write_note", "tool"))
    edges = ["w a", "w b", "w c", "a c", "b c", "write_note w"]
    document = documents.crew(nodes, edges)
    rules: list[Rule] = [Turn(when="Do c", reply="DONE", results=0)]
    for step in "ab":
        documents.with_data(document, step, **{"async": True})
        rules.append(Turn(when=f"Do {step}", raw=tool_calls(note(step)), results=0))
        rules.append(Turn(when=f"Do {step}", reply="NOTED", results=1))
    return Crew(document, rules, asked=5, notes={"a", "b"})


def planned_work() -> Crew:
    """A planned crew whose agent reasons, in two attempts, before it calls a tool."""
    plans = json.dumps({"a": "Note it."})
    rules: list[Rule] = [
        Turn(when='"task": "a"', reply=plans),
        Turn(when="# Your plan so far", reply="Call the tool.\nREADY"),
        Turn(when=r"# Plan\n[\s\S]*# Plan\nCall", raw=tool_calls(note("one")), results=0),
        Turn(when="Do a", reply="Not yet.", results=0),
        Turn(reply="DONE", results=1),
    ]
    document = documents.chain("a", tools=("write_note",))
    documents.with_data(document, "writer", reasoning=True)
    return Crew({**document, "planning": True}, rules, asked=5, notes={"one"})


@pytest.fixture
def kill_everywhere(api, model, killed, notes):
    """A function that runs a crew once for each of its writes, at which it is killed."""

    def kill_everywhere(crew: Crew, when: str) -> None:
        model.add(*crew.rules)
        graph = api.graph(crew.document)
        for at in itertools.count():
            asked = len(model.calls)
            id = api("POST", "/executions", json={"graph_id": graph}).json["id"]
            printed = killed(id, at, when)
            if api.status(id)["status"] != "completed":
                assert run(id) == "completed"
            written, status = notes(), api.status(id)
            lost = check(stored_calls(id), written)
            assert written.keys() == crew.notes
            assert status["result"]["raw"] == "DONE"
            assert len(model.calls) - asked <= crew.asked + lost
            assert status["usage"]["llm_calls"] == crew.asked + lost
            if printed:
                outcome, writes = printed.split()
                assert outcome == "completed"
                assert int(writes) <= at
                assert lost == 0
                break

    return kill_everywhere


class TestKilledAtAWrite:
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_the_step_continues(self, kill_everywhere, when):
        kill_everywhere(tools_at_once(), when)

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize(
        "crew",
        [delegated_work(), judged_answers(), parallel_steps(), planned_work()],
        ids=["delegated", "judged", "parallel", "planned"],
    )
    def test_whatever_is_in_it(self, kill_everywhere, crew, when):
        kill_everywhere(crew, when)

    @pytest.mark.sqlite_enough
    def test_there_are_few_writes(self, api, model, killed):
        """Two for each model call, one for a tool that ends before another, and two at the end."""
        crew = tools_at_once()
        model.add(*crew.rules)
        assert killed(api.queue(crew.document), -1, "never").split() == ["completed", "9"]


class TestToolsInFlight:
    """What becomes of a tool call during which the worker was killed."""

    def queue(self, api, model, tool: str, path: Path) -> str:
        model.add(Turn(raw=tool_calls(note("first"), (tool, {"path": str(path)})), results=0))
        model.add(Turn(reply="DONE", results=2))
        return api.queue(documents.chain("a", tools=("write_note", tool)))

    @pytest.mark.sqlite_enough
    def test_it_is_repeated_with_the_same_id(self, api, model, killed, notes, tmp_path):
        id = self.queue(api, model, "die_once", tmp_path / "died")
        killed(id, -1, "never")
        assert run(id) == "completed"
        unknown, again = [call for call in stored_calls(id) if call.name == "die_once"]
        assert (unknown.status, again.status) == ("unknown", "done")
        assert (unknown.path, unknown.digest) == (again.path, again.digest)
        assert len(model.calls) == 2
        assert notes()["first"] in (1, 2)  # it may have been in flight, too
        (uuid_text,) = (tmp_path / "died").read_text().split()
        assert uuid.UUID(uuid_text).version == 5
        assert api.events_of(id, "step_continued") == [{"step": "a", "calls": 3}]

    def test_or_the_run_fails_until_somebody_decides(self, api, model, killed, tmp_path):
        id = self.queue(api, model, "die_and_fail", tmp_path / "died")
        killed(id, -1, "never")
        assert run(id) == "failed"
        status = api.status(id)
        assert (status["error"]["code"], status["error"]["call"]) == ("tool-outcome-unknown", 3)
        assert api("GET", f"/executions/{id}/calls/3").json["status"] == "unknown"
        assert (tmp_path / "died").read_text() == ""
        api.again(id)
        assert run(id) == "completed"
        assert len((tmp_path / "died").read_text().split()) == 1
        assert len(model.calls) == 2

    @pytest.mark.sqlite_enough
    def test_nor_is_it_repeated_where_only_the_graph_forbids_it(self, api, model, killed, tmp_path):
        path = tmp_path / "died"
        model.add(Turn(raw=tool_calls(("die_once", {"path": str(path)})), results=0))
        document = documents.chain("a", tools=("die_once",))
        id = api.queue(documents.with_data(document, "die_once", on_unknown="fail"))
        killed(id, -1, "never")
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "tool-outcome-unknown"
        assert path.read_text() == ""


@pytest.mark.sqlite_enough
class TestBeginningAnew:
    """Steps that cannot, or should not, continue from what is stored."""

    @pytest.fixture
    def interrupted(self, api, model, killed):
        """A function that queues a crew and kills its run after its first answer was written."""

        def interrupted(crew: Crew) -> str:
            model.add(*crew.rules)
            id = api.queue(crew.document)
            killed(id, 1, "after")
            return id

        return interrupted

    def reason(self, api, id: str) -> str:
        (event,) = api.events_of(id, "step_restarted")
        return t.cast(str, event["reason"])

    def test_because_another_model_is_used(self, app, api, model, interrupted):
        id = interrupted(tools_at_once())
        registry = app.extensions["crewexec"].registry
        registry.llms["default"] = dataclasses.replace(registry.llms["default"], model="gpt-9")
        assert run(id) == "completed"
        assert self.reason(api, id) == "changed"
        assert len(model.calls) == 4

    @pytest.mark.settings(MAX_CALL_CHARS=100)
    def test_because_something_was_cut(self, api, model, interrupted):
        id = interrupted(tools_at_once())
        assert run(id) == "completed"
        assert self.reason(api, id) == "cut"
        assert len(model.calls) == 4

    def test_because_a_secret_was_replaced(self, api, model, interrupted):
        crew = tools_at_once()
        documents.with_data(crew.document, "a", description=f"Do {host.KEY}")
        id = interrupted(crew)
        assert run(id) == "completed"
        assert self.reason(api, id) == "altered"
        assert host.KEY not in str([vars(call) for call in stored_calls(id)])

    @pytest.mark.settings(RESUME_IN_STEP=False)
    def test_because_the_host_wants_it(self, api, model, interrupted):
        id = interrupted(tools_at_once())
        assert run(id) == "completed"
        assert "step_continued" not in api.event_types(id)
        assert len(model.calls) == 4

    def test_because_its_answers_were_the_cause_of_the_failure(self, api, model):
        document = documents.with_data(
            documents.chain("a"), "a", guardrails=[{"name": "no_urls"}], guardrail_max_retries=0
        )
        model.on("Do a", "See https://example.com", times=1).on("Do a", "DONE")
        id = api.queue(document)
        assert run(id) == "failed"
        assert api.status(id)["error"]["call"] == 2
        api.again(id)
        assert run(id) == "completed"
        assert [call.generation for call in stored_calls(id)] == [0, 0, 1, 1]


@pytest.mark.sqlite_enough
class TestDiverging:
    """Steps that, for whatever reason, go on otherwise than what is stored."""

    @pytest.fixture
    def diverging(self, app, api, model):
        """A function that interrupts a run after its tool call, and changes the stored call."""

        def diverging(number: int = 2, answer: object = {"text": "read"}, **values: object) -> str:
            model.add(Turn(raw=tool_calls(note("one")), results=0))
            model.add(Turn(raw=tool_calls(note("two")), results=1))
            model.add(Turn(status=429, results=2, times=1), Turn(reply="DONE", results=2))
            document = documents.chain("a", tools=("write_note",))
            id = api.queue(documents.with_data(document, "write_note", **values))
            assert run(id) == "retrying"
            call = current_app_state().models.call
            changed = sa.update(call).where(
                call.execution_id == uuid.UUID(id), call.number == number
            )
            with current_app_state().database.write_transaction() as session:
                session.execute(changed.values(answer=answer))
            due(id)
            return t.cast(str, id)

        return diverging

    def test_they_are_restarted_by_the_next_attempt(self, api, model, notes, diverging):
        id = diverging()
        assert run(id) == "released"
        assert len(model.calls) == 3  # before anything else was made
        assert api.events_of(id, "step_restarted") == [{"step": "a", "reason": "diverged"}]
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "DONE"
        assert len(model.calls) == 6
        assert notes() == {"one": 2, "two": 2}
        generations = {call.number: call.generation for call in stored_calls(id)}
        assert list(generations.values()) == [0] * 5 + [1] * 5

    def test_so_are_those_whose_answers_cannot_be_restored(self, api, model, diverging):
        """The SDK of the model's provider was removed, or has changed its classes."""
        id = diverging(number=1, answer={"value": [{"__class__": "openai.gone:Call", "value": {}}]})
        assert run(id) == "released"
        assert run(id) == "completed"
        assert api.events_of(id, "step_restarted") == [{"step": "a", "reason": "diverged"}]
        assert len(model.calls) == 6

    def test_but_not_if_a_tool_must_not_be_called_again(self, api, model, notes, diverging):
        id = diverging(on_unknown="fail")
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert (error["code"], error["call"]) == ("tool-outcome-unknown", 2)
        assert (len(model.calls), notes()) == (3, {"one": 1, "two": 1})
        api.again(id)  # somebody has looked
        assert run(id) == "completed"
        assert notes() == {"one": 1, "two": 1}


def due(id: str) -> None:
    """Let a retry begin at once."""
    change(id, available_at=LONG_AGO)
    cleanup.handle({"action": "reconcile"})


class Remembering(OpenAILLM):
    """A model whose object says with each request what it has kept of its last answer."""

    def _exchange(self, params: dict[str, t.Any], call: dict[str, t.Any]) -> t.Any:
        kept = {"user": self._last_response_id} if self._last_response_id else {}
        answer = super()._exchange({**params, **kept}, call)
        self._last_response_id = f"answered {len(params['messages'])} messages"
        return answer


@pytest.mark.sqlite_enough
class TestRetries:
    def test_a_retry_after_a_rate_limit_continues_at_the_refused_call(self, api, model, notes):
        model.add(Turn(raw=tool_calls(note("one")), results=0))
        model.add(Turn(status=429, results=1, times=1), Turn(reply="DONE", results=1))
        id = api.queue(documents.chain("a", tools=("write_note",)))
        assert run(id) == "retrying"
        due(id)
        assert run(id) == "completed"
        assert len(model.calls) == 3
        assert notes() == {"one": 1}
        assert api.status(id)["usage"]["tool_calls"] == 1

    def test_a_retry_after_the_budget_was_spent_pays_nothing_again(self, api, model):
        crew = tools_at_once()
        model.add(*crew.rules)
        id = api.queue(crew.document, max_llm_calls=2)
        assert run(id) == "failed"
        answer = api("POST", f"/executions/{id}/retry", json={"max_llm_calls": 3})
        assert answer.status_code == 202
        assert run(id) == "completed"
        assert len(model.calls) == 3

    def test_nor_is_a_call_made_again_that_a_model_without_tools_has_written(
        self, app, api, model, notes
    ):
        registry = app.extensions["crewexec"].registry
        registry.llms["default"] = dataclasses.replace(registry.llms["default"], model="o1-mini")
        written = 'Thought: Note it.\nAction: write_note\nAction Input: {"text": "one"}'
        model.on(reply=written, times=1).on(status=429, times=1)
        model.on(reply="Thought: Done.\nFinal Answer: DONE")
        id = api.queue(documents.chain("a", tools=("write_note",)))
        assert run(id) == "retrying"
        due(id)
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "DONE"
        assert "tools" not in model.calls[0].body
        assert (len(model.calls), notes()) == (3, {"one": 1})
        assert [call.kind for call in stored_calls(id)] == ["model", "tool", "model", "model"]

    def test_a_model_keeps_of_stored_answers_what_it_had_kept(self, api, model, monkeypatch):
        monkeypatch.setattr(llm_builder, "OpenAILLM", Remembering)
        model.add(Turn(raw=tool_calls(note("one")), results=0))
        model.add(Turn(status=429, results=1, times=1), Turn(reply="DONE", results=1))
        id = api.queue(documents.chain("a", tools=("write_note",)))
        assert run(id) == "retrying"
        due(id)
        assert run(id) == "completed"
        first, refused, again = [call.body for call in model.calls]
        assert "user" not in first
        assert refused["user"] == again["user"] == "answered 2 messages"

    def test_a_streamed_answer_is_not_asked_for_again(self, api, model, notes):
        model.add(Turn(raw=None, tool=note("one"), results=0))
        model.add(Turn(status=429, results=1, times=1), Turn(reply="DONE", results=1))
        id = api.queue(documents.chain("a", tools=("write_note",), model="streaming"))
        assert run(id) == "retrying"
        due(id)
        assert run(id) == "completed"
        assert all(call.body["stream"] for call in model.calls)
        assert (len(model.calls), notes()) == (3, {"one": 1})
