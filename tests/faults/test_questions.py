"""Questions of agents when processes die, answers come early, and steps are restarted."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

import pytest
from celery.exceptions import WorkerTerminate

from flask_crewexec import Approval
from support.api_client import problem
from support.graphs import documents
from support.in_process import run
from support.in_process import running
from support.in_process import stored_calls
from support.input_requests import answer
from support.input_requests import expire
from support.input_requests import open_request
from support.input_requests import requests_of
from support.input_requests import send_answer
from support.scripted_turns import Call
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn
from support.servers.processes import wait_until


def question(text: str) -> Call:
    return "ask_person", {"question": text}


def note(text: str) -> Call:
    return "write_note", {"text": text}


def asking() -> documents.Document:
    return documents.chain("a", tools=("ask_person", "write_note"))


def of_one_answer(model) -> documents.Document:
    """A note, then two questions and a note in one answer."""
    model.add(Turn(raw=tool_calls(note("begun")), results=0))
    calls = [question("Which colour?"), note("asked"), question("How many?")]
    model.add(Turn(raw=tool_calls(*calls), results=1), Turn(reply="DONE", results=4))
    return asking()


def of_coworkers(model) -> documents.Document:
    """Two coworkers to whom a manager delegates at once; each writes a note, then asks."""
    ids = ("begun", "asked")
    for id in ids:
        model.add(Turn(when=f"Do the {id}", raw=tool_calls(note(id)), results=0))
        model.add(Turn(when=f"Do the {id}", raw=tool_calls(question(f"{id}?")), results=1))
        model.add(Turn(when=f"Do the {id}", reply=id, results=2))
    orders = [
        (
            "delegate_work_to_coworker",
            {"task": f"Do the {id}", "context": "none", "coworker": id.title()},
        )
        for id in ids
    ]
    model.add(Turn(raw=tool_calls(*orders), results=0), Turn(reply="DONE", results=2))
    tools = ("ask_person", "write_note")
    nodes = [*(documents.agent(id) for id in ("boss", *ids)), documents.task("a")]
    nodes += [documents.named(name, "tool") for name in tools]
    edges = [f"boss {id} manager" for id in ids]
    edges += [f"{name} {id}" for name in tools for id in ids]
    return documents.crew(nodes, edges, process="hierarchical")


class TestKilledRun:
    """A process is killed before and after each of its writes, while it asks and afterwards."""

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_asks_once_and_repeats_nothing(self, api, model, killed, notes, when):
        self.kill_everywhere(api, model, killed, notes, of_one_answer(model), when)

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_nor_if_coworkers_ask(self, api, model, killed, notes, when):
        self.kill_everywhere(api, model, killed, notes, of_coworkers(model), when)

    def kill_everywhere(self, api, model, killed, notes, document, when) -> None:
        deaths = 0
        for at in range(20):
            paid, id = len(model.calls), api.queue(document)
            was_killed = "waiting_input" not in killed(id, at, when)
            if api.status(id)["status"] == "queued":
                assert run(id) == "waiting_input"
            assert len(requests_of(api, id)) == 2
            for each in requests_of(api, id):
                assert send_answer(api, each["id"], "respond", text="x").status_code == 202
            was_killed |= "completed" not in killed(id, at, when)
            if api.status(id)["status"] == "queued":
                assert run(id) == "completed"
            assert api.status(id)["status"] == "completed"
            assert len(requests_of(api, id)) == 2
            self.check(stored_calls(id), len(model.calls) - paid, notes())
            deaths += was_killed
            if not was_killed:
                break
        assert deaths >= 4

    def check(self, calls, paid, written) -> None:
        """What was under way at a kill is made again, since nobody knows how it has ended."""
        unfinished = [each for each in calls if each.status in ("started", "unknown")]
        lost = sum(each.kind == "model" for each in unfinished)
        done = sum(each.kind == "model" and each.status == "done" for each in calls)
        assert paid <= done + lost
        assert set(written) == {"begun", "asked"}
        assert sum(written.values()) <= 2 + sum(each.name == "write_note" for each in unfinished)


def branches():
    """``a`` and ``b`` run at the same time, and ``end`` reads both."""
    nodes = [documents.agent("w"), *(documents.task(id) for id in ("a", "b", "end"))]
    nodes.append(documents.named("ask_person", "tool"))
    edges = ["w a", "w b", "w end", "a end", "b end", "ask_person w"]
    made = documents.crew(nodes, edges)
    for id in "ab":
        documents.with_data(made, id, **{"async": True})
    return made


class TestParallelSteps:
    def test_both_ask_and_the_last_answer_lets_the_run_go_on(self, api, model):
        for id in "ab":
            model.add(Turn(when=f"Do {id}", raw=tool_calls(question(f"{id}?")), results=0))
            model.add(Turn(when=f"Do {id}", reply=id, results=1))
        id = api.queue(branches())
        assert run(id) == "waiting_input"
        first, second = requests_of(api, id, status="open")
        assert {first["message"], second["message"]} == {"a?", "b?"}
        assert send_answer(api, first["id"], "respond", text="x").status_code == 202
        assert run(id) == "not-claimed"
        assert send_answer(api, second["id"], "respond", text="x").status_code == 202
        assert run(id) == "completed"
        assert len(model.calls) == 5

    def test_an_answer_comes_while_the_worker_still_holds_the_run(self, app, api, model):
        gate = threading.Event()
        model.add(Turn(when="Do a", raw=tool_calls(question("a?")), results=0))
        model.add(Turn(when="Do a", reply="a", results=1))
        model.on("Do b", "b", hold=gate)
        id = api.queue(branches())
        with running(app, id) as outcomes:
            wait_until(lambda: requests_of(api, id), what="the question")
            model.wait_for_calls(2)
            answer(api, id, "respond", text="x")
            assert api.status(id)["status"] == "running"
            gate.set()
        assert outcomes == ["waiting_input"]
        assert api.status(id)["status"] == "queued"
        assert run(id) == "completed"
        assert len(model.calls) == 4


class TestRestartedStep:
    """A step that cannot continue asks its model again."""

    @pytest.mark.settings(RESUME_IN_STEP=False)
    def test_uses_the_answer_to_the_same_question(self, api, model):
        model.add(Turn(raw=tool_calls(question("Which colour?")), results=0))
        model.add(Turn(raw=tool_calls(question("How many?")), results=1))
        model.add(Turn(reply="DONE", results=2))
        id = api.queue(asking())
        for text in ("Which colour?", "How many?"):
            assert run(id) == "waiting_input"
            assert open_request(api, id)["message"] == text
            answer(api, id, "respond", text="x")
        assert run(id) == "completed"
        assert len(requests_of(api, id)) == 2

    @pytest.mark.settings(RESUME_IN_STEP=False)
    def test_withdraws_what_it_does_not_ask_any_more(self, api, model, killed):
        model.on(raw=tool_calls(question("Which colour?")), times=1)
        model.add(Turn(raw=tool_calls(question("How many?")), results=0))
        model.add(Turn(reply="DONE", results=1))
        id = api.queue(asking())
        killed(id, 1, "after")
        assert open_request(api, id)["message"] == "Which colour?"
        assert run(id) == "waiting_input"
        withdrawn, asked = sorted(requests_of(api, id), key=lambda each: each["message"])[::-1]
        assert (withdrawn["status"], asked["status"]) == ("withdrawn", "open")
        refused = problem(send_answer(api, withdrawn["id"], "respond", text="x"), 410, "input-gone")
        assert refused["detail"].startswith("This is not asked any more.")
        answer(api, id, "respond", text="x")
        assert run(id) == "completed"


class TestEnds:
    def test_nobody_answers_in_time_and_a_retry_asks_again(self, api, model, reconcile, caplog):
        model.add(Turn(raw=tool_calls(question("Which colour?")), results=0))
        model.add(Turn(reply="DONE", results=1))
        id = api.queue(asking())
        run(id)
        expire(id)
        reconcile()
        assert run(id) == "failed"
        error = api.status(id)["error"]
        assert error["code"] == "input-expired"
        records = [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]
        assert [error["correlation_id"] in each.message for each in records] == [True]
        assert (records[0].levelname, records[0].exc_info) == ("WARNING", None)
        api.again(id)
        assert run(id) == "waiting_input"
        answer(api, id, "respond", text="x")
        assert run(id) == "completed"

    @pytest.mark.parametrize(
        ("graph", "result"),
        [
            ({"on_expiry": "reject"}, "The person does not answer this question."),
            ({"on_expiry": "default", "default": "any"}, "any"),
        ],
    )
    def test_nobody_answers_in_time_and_what_the_graph_says_is_done(
        self, api, model, reconcile, graph, result
    ):
        model.add(Turn(raw=tool_calls(question("Which colour?")), results=0))
        model.add(Turn(reply="DONE", results=1))
        id = api.queue(documents.with_data(asking(), "ask_person", expires_in=60, **graph))
        assert run(id) == "waiting_input"
        assert reconcile()["expired_inputs"] == 0
        expire(id)
        assert reconcile()["expired_inputs"] == 1
        assert run(id) == "completed"
        (message,) = [m for m in model.calls[-1].body["messages"] if m["role"] == "tool"]
        assert message["content"] == result
        assert len(model.calls) == 2

    def test_a_cancellation_withdraws_the_question(self, api, model):
        model.add(Turn(raw=tool_calls(question("Which colour?")), results=0))
        id = api.queue(asking())
        run(id)
        assert api("POST", f"/executions/{id}/cancel").status_code == 202
        assert [each["status"] for each in requests_of(api, id)] == ["withdrawn"]


class TestUnknownOutcome:
    """A tool dies; nobody knows whether it had its effect, and a person decides."""

    @pytest.fixture
    def interrupted(self, api, model, killed, tmp_path):
        """An execution whose tool has died, and that waits for a person."""
        arguments: t.Final = {"path": str(tmp_path / "died")}
        model.add(Turn(raw=tool_calls(("die_once", arguments)), results=0))
        model.add(Turn(reply="DONE", results=1))
        document = documents.chain("a", tools=("die_once",))
        id = api.queue(documents.with_data(document, "die_once", on_unknown="ask"))
        killed(id, -1, "never")
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert (request["kind"], request["tool"]) == ("outcome", "die_once")
        assert request["arguments"] == arguments
        assert "Nobody knows" in request["problem"]
        assert len(model.calls) == 1
        return id

    def test_only_those_who_approve_calls_of_the_tool_decide(
        self, app, api, model, killed, tmp_path
    ):
        registry = app.extensions["crewexec"].registry
        approval = Approval(roles={"accountant"})
        model.add(Turn(raw=tool_calls(("die_once", {"path": str(tmp_path / "died")})), results=0))
        document = documents.chain("a", tools=("die_once",))
        id = api.queue(documents.with_data(document, "die_once", on_unknown="ask"))
        killed(id, -1, "never")
        registry.tools["die_once"] = dataclasses.replace(
            registry.tools["die_once"], approval=approval
        )
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert request["assignees"] == {"users": [], "roles": ["accountant"]}
        assert request["decisions"] == ["approve", "reject"]
        assert send_answer(api, request["id"], "approve").status_code == 403

    def test_the_arguments_are_shown_with_which_it_was_called(self, api, model, killed, tmp_path):
        wrong, edited = str(tmp_path / "wrong"), {"path": str(tmp_path / "died")}
        model.add(Turn(raw=tool_calls(("die_once", {"path": wrong})), results=0))
        model.add(Turn(reply="DONE", results=1))
        document = documents.chain("a", tools=("die_once",))
        documents.with_data(document, "die_once", on_unknown="ask", approval="always")
        id = api.queue(document)
        run(id)
        answer(api, id, "edit", arguments=edited)
        killed(id, -1, "never")
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert (request["kind"], request["arguments"]) == ("outcome", edited)
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert [each.name for each in tmp_path.iterdir() if each.name in ("wrong", "died")] == [
            "died"
        ]

    def made(self, tmp_path):
        return len((tmp_path / "died").read_text().split())

    def told(self, model):
        return [m["content"] for m in model.calls[-1].body["messages"] if m["role"] == "tool"]

    def test_it_is_called_again(self, api, model, interrupted, tmp_path):
        answer(api, interrupted, "approve")
        assert run(interrupted) == "completed"
        assert (len(model.calls), self.made(tmp_path)) == (2, 1)
        assert self.told(model) == ["survived"]

    @pytest.mark.parametrize(
        ("decision", "text", "told"),
        [
            ("respond", "It was done", "It was done"),
            ("reject", "Leave it", "it is not repeated: Leave it"),
        ],
    )
    def test_it_is_not_called_again(self, api, model, interrupted, tmp_path, decision, text, told):
        answer(api, interrupted, decision, text=text)
        assert run(interrupted) == "completed"
        assert (len(model.calls), self.made(tmp_path)) == (2, 0)
        assert self.told(model)[0].endswith(told)

    def test_each_interruption_is_another_question(self, api, model, killed, interrupted, tmp_path):
        first = answer(api, interrupted, "approve")["id"]
        killed(interrupted, 0, "after")  # the start of the call is written
        assert run(interrupted) == "waiting_input"
        second = open_request(api, interrupted)
        assert (second["id"] != first, second["round"]) == (True, 2)
        answer(api, interrupted, "respond", text="x")
        assert run(interrupted) == "completed"
        assert (len(model.calls), self.made(tmp_path)) == (2, 0)


class TestOtherNames:
    """Models call a tool by another name than it is registered with, and its worker is lost."""

    @pytest.fixture
    def queue(self, app, api, model):
        """A function that queues an execution whose model calls a tool that ends its process."""

        def queue(registered: str, answer: bytes | str, on_unknown: t.Any) -> str:
            @app.extensions["crewexec_host"].tool(registered, on_unknown=on_unknown)
            def pay(order: str) -> str:
                """Pay an order."""
                raise WorkerTerminate(1)

            raw = answer if isinstance(answer, bytes) else None
            model.on(reply=None if raw else answer, raw=raw, times=1)
            id = api.queue(documents.chain("a", tools=(registered,)))
            with pytest.raises(WorkerTerminate):
                run(id)
            return id

        return queue

    def check(self, api, id: str, tool: str, on_unknown: str) -> None:
        if on_unknown == "fail":
            assert run(id) == "failed"
            assert api.status(id)["error"]["code"] == "tool-outcome-unknown"
        else:
            assert run(id) == "waiting_input"
            request = open_request(api, id)
            assert (request["kind"], request["tool"]) == ("outcome", tool)

    @pytest.mark.parametrize("on_unknown", ["ask", "fail"])
    @pytest.mark.parametrize(("registered", "called"), [("pay__now", "pay_now"), ("pay_", "pay")])
    def test_that_crewai_has_simplified(self, api, queue, registered, called, on_unknown):
        id = queue(registered, tool_calls((called, {"order": "7"})), on_unknown)
        self.check(api, id, registered, on_unknown)

    @pytest.mark.parametrize("on_unknown", ["ask", "fail"])
    @pytest.mark.parametrize("written", ["Send Money", "send_moneys"])
    def test_that_a_model_without_native_calls_writes(self, app, api, queue, written, on_unknown):
        llms = app.extensions["crewexec"].registry.llms
        llms["default"] = dataclasses.replace(llms["default"], model="o1-mini")
        call = f'Thought: Pay.\nAction: {written}\nAction Input: {{"order": "7"}}'
        id = queue("send_money", call, on_unknown)
        self.check(api, id, "send_money", on_unknown)
