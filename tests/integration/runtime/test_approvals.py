"""Approvals of tool calls by people, with the real engine."""

from __future__ import annotations

import dataclasses
import itertools
import re
import sys
import typing as t
import uuid

import pydantic
import pytest
import sqlalchemy as sa
from crewai.hooks import register_before_tool_call_hook
from crewai.hooks import unregister_before_tool_call_hook
from flask import current_app

from flask_crewexec import Approval
from flask_crewexec import current_execution
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import SecretMissing
from flask_crewexec.runtime.call_log import answers
from support.api_client import Api
from support.api_client import problem
from support.graphs import documents
from support.in_process import run
from support.in_process import stored_calls
from support.input_requests import answer
from support.input_requests import open_request
from support.input_requests import parallel
from support.input_requests import requests_of
from support.input_requests import send_answer
from support.paths import TESTS
from support.scripted_turns import Call
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

pytestmark = [pytest.mark.libraries, pytest.mark.sqlite_enough]

Json = dict[str, t.Any]

DECISIONS: t.Final = ("approve", "edit", "reject")


def change_request(id: str, **values: object) -> None:
    """Change what an execution has asked, behind the back of its worker."""
    request = current_app_state().models.input_request
    statement = sa.update(request).where(request.execution_id == uuid.UUID(id))
    with current_app_state().database.write_transaction() as session:
        session.execute(statement.values(**values))


def short(text: str) -> str:
    """Validate what no schema says."""
    if len(text) > 3:
        raise ValueError("too long")
    return text


ShortText = t.Annotated[str, pydantic.AfterValidator(short)]


@pytest.fixture
def paid(app) -> list[t.Any]:
    """What the tool ``pay`` has done."""
    return []


@pytest.fixture
def register(app, paid):
    """A function that registers ``pay``, and ``look``, which needs no approval."""
    crewexec = app.extensions["crewexec_host"]

    def register(approval: t.Any = "always", **options: t.Any) -> None:
        @crewexec.tool("pay", approval=approval, **options)
        def pay(order: str, euros: int = 5) -> str:
            """Pay an order."""
            paid.append((order, euros))
            return f"paid {order}"

        @crewexec.tool("look")
        def look(order: str) -> str:
            """Look at an order."""
            paid.append(f"looked at {order}")
            return "fine"

    return register


def pay(order: str = "7", **more: object) -> Call:
    return "pay", {"order": order, **more}


def paying(*tools: str, approval: t.Any = None) -> Json:
    document = documents.chain("a", tools=("pay", *tools))
    return document if approval is None else documents.with_data(document, "pay", approval=approval)


def paying_in_parallel(*steps: str) -> Json:
    """A graph whose tasks run at the same time, with an agent that may call ``pay``."""
    document = parallel(*steps)
    for step in steps:
        documents.with_data(document, step, human_input=False)
    document["nodes"].append(documents.named("pay", "tool"))
    document["edges"].append({"source": "pay", "target": "w"})
    return document


def told(call: t.Any) -> list[str]:
    """The results of tools in the messages of a call of the model."""
    return [each["content"] for each in call.body["messages"] if each["role"] == "tool"]


@pytest.fixture
def queued(api, model, register):
    """A function that queues an execution whose first answer makes calls."""

    def queued(*calls: Call, approval="always", graph=None, tools=(), more=(), **options):
        register(approval, **options)
        model.add(Turn(raw=tool_calls(*(calls or [pay()])), results=0), *more)
        model.on(reply="DONE")
        return api.queue(paying(*tools, approval=graph))

    return queued


@pytest.fixture
def change_model(app):
    """A function after which interrupted steps cannot continue, and are restarted."""
    llms, names = app.extensions["crewexec"].registry.llms, itertools.count()

    def change_model() -> None:
        llms["default"] = dataclasses.replace(llms["default"], model=f"gpt-new-{next(names)}")

    return change_model


@pytest.fixture
def alter():
    """A function that lets a hook of the host change the arguments of calls from now on."""
    hooks = []

    def alter(**changed: object) -> None:
        def hook(context: t.Any) -> None:
            context.tool_input.update(changed)

        hooks.append(hook)
        register_before_tool_call_hook(hook)

    yield alter
    for hook in hooks:
        unregister_before_tool_call_hook(hook)


class TestDecisions:
    def test_an_approved_call_is_made_as_it_was_shown(self, api, model, queued, paid):
        id = queued(approval=Approval(message="It costs money."))
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert (request["kind"], request["tool"]) == ("approval", "pay")
        assert request["arguments"] == {"order": "7", "euros": 5}
        assert (request["message"], request["step_name"]) == ("It costs money.", "a")
        assert request["decisions"] == ["approve", "reject"]
        assert request["schema"]["properties"]["euros"]["type"] == "integer"
        assert (paid, len(model.calls)) == ([], 1)
        assert api.status(id)["usage"]["tool_calls"] == 0
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert (paid, len(model.calls)) == ([("7", 5)], 2)
        assert told(model.calls[-1]) == ["paid 7"]
        assert [(call.kind, call.status) for call in stored_calls(id)] == [
            ("model", "done"),
            ("tool", "done"),
            ("model", "done"),
        ]

    def test_the_terminal_shows_the_whole_call(self, app, queued):
        approval = Approval(roles={"boss"}, four_eyes=True, expires_in=60, on_expiry="reject")
        run(queued(approval=approval))
        shown = app.test_cli_runner().invoke(args=["crewexec", "inbox"]).output
        assert "  approval: a, round 1" in shown
        assert 'call: pay {"order": "7", "euros": 5}' in shown
        assert "asks: role boss, not the owner\n" in shown
        assert re.search(r"expires: \S+ \S+, then: reject\n", shown)

    def test_the_terminal_shows_what_nobody_would_see(self, app, queued):
        run(queued(pay("7\u200b  8")))
        shown = app.test_cli_runner().invoke(args=["crewexec", "inbox"]).output
        assert r'call: pay {"order": "7\u200b  8", "euros": 5}' in shown

    def test_a_call_whose_arguments_were_altered_afterwards_is_not_made(
        self, api, queued, paid, alter
    ):
        id = queued()
        run(id)
        answer(api, id, "approve")
        alter(euros=500)
        assert run(id) == "failed"
        assert paid == []
        assert api.status(id)["error"]["code"] == "approval-outdated"

    def test_a_rejected_call_is_not_made_and_the_model_is_told_why(self, api, model, queued, paid):
        id = queued()
        run(id)
        answer(api, id, "reject", text="too expensive")
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["The call was rejected and not made: too expensive"]
        assert (paid, len(model.calls)) == ([], 2)
        (failed,) = api.events_of(id, "tool_failed")
        assert failed["code"] == "rejected"

    def test_an_edited_call_is_made_as_it_was_edited(self, api, model, queued, paid):
        id = queued(approval=Approval(decisions=["approve", "edit"]))
        run(id)
        answer(api, id, "edit", arguments={"order": "8", "euros": 3})
        assert run(id) == "completed"
        assert (paid, len(model.calls)) == ([("8", 3)], 2)

    @pytest.mark.parametrize(
        ("content", "pointer"),
        [
            ({}, "/arguments"),
            ({"text": "x"}, "/arguments"),
            ({"arguments": {"order": 7}}, "/arguments/order"),
            ({"arguments": {"euros": 7}}, "/arguments"),
            ({"arguments": {"order": "7", "euro": 1}}, "/arguments"),
            ({"arguments": {"order": "x" * 100_000}}, "/arguments"),
        ],
    )
    def test_edited_arguments_must_fit_the_tool(self, api, queued, content, pointer):
        id = queued(approval=Approval(decisions=["edit"]))
        run(id)
        refused = answer(api, id, "edit", expect=422, **content)
        assert [each["pointer"] for each in refused["errors"]] == [pointer]
        assert api.status(id)["status"] == "waiting_input"

    def test_a_person_may_answer_instead_of_the_tool(self, api, model, queued, paid):
        id = queued(approval=Approval(decisions=["respond"]))
        run(id)
        answer(api, id, "respond", text="It is paid already.")
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["It is paid already."]
        assert (paid, len(model.calls)) == ([], 2)

    def test_only_what_the_tool_allows_can_be_decided(self, api, queued):
        id = queued()
        run(id)
        for decision, content in (
            ("edit", {"arguments": {"order": "8"}}),
            ("respond", {"text": "x"}),
            ("change", {"text": "x"}),
        ):
            refused = answer(api, id, decision, expect=422, **content)
            assert [each["pointer"] for each in refused["errors"]] == ["/decision"]


class TestPredicate:
    def test_is_asked_once_about_each_call(self, api, model, queued, paid):
        asked = []

        def over_ten(arguments, user_id):
            asked.append((arguments, user_id))
            return arguments["euros"] > 10

        id = queued(pay("7"), pay("8", euros=20), approval=over_ten)
        assert run(id) == "waiting_input"
        assert paid == [("7", 5)]
        assert open_request(api, id)["arguments"] == {"order": "8", "euros": 20}
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert (paid, len(model.calls)) == ([("7", 5), ("8", 20)], 2)
        assert asked == [
            ({"order": "7", "euros": 5}, "ada"),
            ({"order": "8", "euros": 20}, "ada"),
        ]

    def test_is_not_asked_again_about_a_call_that_a_retry_makes(self, app, api, model):
        asked, made = [], []

        def never(arguments, user_id):
            asked.append(arguments)
            return False

        @app.extensions["crewexec_host"].tool("send", approval=never)
        def send(order: str) -> str:
            """Send an order."""
            made.append(order)
            if len(made) == 1:
                raise SecretMissing("There is no key.")
            return "sent"

        model.add(Turn(raw=tool_calls(("send", {"order": "7"})), results=0))
        model.on(reply="DONE")
        id = api.queue(documents.chain("a", tools=("send",)))
        assert run(id) == "failed"
        api.again(id)
        assert run(id) == "completed"
        assert (made, len(model.calls)) == (["7", "7"], 2)
        assert asked == [{"order": "7"}]

    def test_that_changes_the_arguments_changes_only_its_own(self, api, queued, paid):
        def change(arguments, user_id):
            arguments.clear()
            return True

        id = queued(approval=change)
        assert run(id) == "waiting_input"
        assert open_request(api, id)["arguments"] == {"order": "7", "euros": 5}
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert paid == [("7", 5)]

    def test_that_has_changed_its_mind_does_not_undo_a_rejection(self, api, queued, paid):
        verdicts = iter([True])
        id = queued(approval=lambda arguments, user_id: next(verdicts, False))
        run(id)
        answer(api, id, "reject")
        assert run(id) == "completed"
        assert paid == []

    @pytest.mark.settings(CALL_LOG="off", RESUME_IN_STEP=False)
    def test_its_verdict_counts_without_a_call_log(self, api, queued, paid):
        verdicts = iter([True])
        id = queued(approval=lambda arguments, user_id: next(verdicts, False))
        assert run(id) == "waiting_input"
        answer(api, id, "reject")
        assert run(id) == "completed"
        assert paid == []

    @pytest.mark.parametrize("error", [ValueError("no"), SystemExit(2)], ids=["exception", "exit"])
    def test_that_fails_means_that_people_are_asked(self, api, queued, paid, error):
        def broken(arguments, user_id):
            raise error

        id = queued(approval=broken)
        assert run(id) == "waiting_input"
        assert paid == []

    def test_runs_where_the_application_runs(self, app, api, queued):
        users = []

        def by_user(arguments, user_id):
            users.append(current_execution.user_id)
            return current_app.config["SECRET_KEY"] is None

        id = queued(approval=by_user)
        assert run(id) == "completed"
        assert users == ["ada"]


class TestSiblings:
    def test_are_made_at_once_where_nobody_is_asked(self, api, model, queued, paid):
        id = queued(pay("7"), ("look", {"order": "7"}), pay("8"), tools=("look",))
        assert run(id) == "waiting_input"
        assert paid == ["looked at 7"]
        second, first = requests_of(api, id, status="open")
        assert first["arguments"]["order"] == "7"
        assert second["arguments"]["order"] == "8"
        assert send_answer(api, second["id"], "approve").status_code == 202
        assert run(id) == "not-claimed"
        assert send_answer(api, first["id"], "reject").status_code == 202
        assert run(id) == "completed"
        assert paid == ["looked at 7", ("8", 5)]
        assert told(model.calls[-1]) == ["The call was rejected and not made.", "fine", "paid 8"]
        assert len(model.calls) == 2

    def test_that_are_the_same_are_asked_about_one_by_one(self, api, queued, paid):
        id = queued(pay("7"), pay("7"))
        assert run(id) == "waiting_input"
        second, first = requests_of(api, id, status="open")
        send_answer(api, first["id"], "approve")
        send_answer(api, second["id"], "reject")
        assert run(id) == "completed"
        assert paid == [("7", 5)]

    def test_the_call_log_says_what_was_written_and_what_was_called(self, api, queued, paid):
        id = queued(approval=Approval(decisions=["edit"]))
        run(id)
        answer(api, id, "edit", arguments={"order": "8"})
        assert run(id) == "completed"
        (call,) = [each for each in stored_calls(id) if each.kind == "tool"]
        assert call.request == {"arguments": {"order": "7"}, "edited": {"order": "8", "euros": 5}}
        assert paid == [("8", 5)]

    def test_an_approval_counts_for_one_call(self, api, queued, paid):
        id = queued(more=[Turn(raw=tool_calls(pay("7")), results=1)])
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "waiting_input"
        assert paid == [("7", 5)]
        answer(api, id, "reject")
        assert run(id) == "completed"
        assert paid == [("7", 5)]


class TestWrittenCalls:
    """Models without native tool calls write them, and may write another name."""

    @pytest.fixture
    def queue_written(self, app, api, model, register):
        """A function that queues an execution whose model writes calls for some orders."""

        def queue_written(orders: str, approval: t.Any = "always") -> str:
            llms = app.extensions["crewexec"].registry.llms
            llms["default"] = dataclasses.replace(llms["default"], model="o1-mini")
            register(approval)
            for order in orders:
                written = f'Thought: Pay.\nAction: Pay\nAction Input: {{"order": "{order}"}}'
                model.on(reply=written, times=1)
            model.on(reply="Thought: Done.\nFinal Answer: DONE")
            return api.queue(paying())

        return queue_written

    def test_ask_before_they_are_made(self, api, model, queue_written, paid):
        id = queue_written("78")
        for order, decision in (("7", "approve"), ("8", "reject")):
            assert run(id) == "waiting_input"
            assert open_request(api, id)["arguments"] == {"order": order, "euros": 5}
            answer(api, id, decision)
        assert run(id) == "completed"
        assert (paid, len(model.calls)) == ([("7", 5)], 3)
        assert "Observation: The call was rejected" in str(model.calls[-1].body)

    def test_are_made_once_although_the_tool_fails(self, app, api, model, queue_written, paid):
        id = queue_written("7")
        tools = app.extensions["crewexec"].registry.tools

        def fail(order: str, euros: int = 5) -> str:
            """Pay an order."""
            paid.append((order, euros))
            raise ValueError("no receipt")

        tools["pay"] = dataclasses.replace(tools["pay"], function=fail)
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert paid == [("7", 5)]
        assert len(api.events_of(id, "tool_failed")) == 1
        assert "no receipt" in str(model.calls[-1].body)

    def test_are_stored_as_they_were_edited(self, api, queue_written):
        id = queue_written("7", Approval(decisions=["edit"]))
        run(id)
        answer(api, id, "edit", arguments={"order": "8"})
        assert run(id) == "completed"
        made = [each.request for each in stored_calls(id) if each.kind == "tool"][-1]
        written, edited = {"input": '{"order": "7"}'}, {"order": "8", "euros": 5}
        assert made == {"arguments": written, "edited": edited}


class TestParallelSteps:
    @pytest.mark.parametrize("order", ["ab", "ba"])
    def test_both_ask_and_are_made_once_when_both_are_decided(
        self, api, model, register, paid, order
    ):
        register()
        nodes = [documents.agent("w"), *(documents.task(id) for id in ("a", "b", "end"))]
        nodes.append(documents.named("pay", "tool"))
        edges = ["w a", "w b", "w end", "a end", "b end", "pay w"]
        document = documents.crew(nodes, edges)
        for step in "ab":
            documents.with_data(document, step, **{"async": True})
            model.add(Turn(when=f"Do {step}", raw=tool_calls(pay(step)), results=0))
            model.add(Turn(when=f"Do {step}", reply=step, results=1))
        id = api.queue(document)
        assert run(id) == "waiting_input"
        asked = {each["step_name"]: each for each in requests_of(api, id, status="open")}
        assert {step: asked[step]["arguments"]["order"] for step in asked} == {"a": "a", "b": "b"}
        first, second = order
        assert send_answer(api, asked[first]["id"], "approve").status_code == 202
        assert run(id) == "not-claimed"
        assert send_answer(api, asked[second]["id"], "approve").status_code == 202
        assert run(id) == "completed"
        assert sorted(paid) == [("a", 5), ("b", 5)]
        assert len(model.calls) == 5


class TestDelegatedWork:
    def test_stops_the_manager_and_continues_at_the_call(self, api, model, register, paid):
        register()
        nodes = [documents.agent(id) for id in ("boss", "writer")]
        nodes += [documents.task("a"), documents.named("pay", "tool")]
        edges = ["boss writer manager", "writer a", "pay writer"]
        order = {"task": "Pay it", "context": "none", "coworker": "Writer"}
        model.add(Turn(when="Pay it", raw=tool_calls(pay()), results=0))
        model.add(Turn(when="Pay it", reply="PAID", results=1))
        model.add(Turn(raw=tool_calls(("delegate_work_to_coworker", order)), results=0))
        model.add(Turn(reply="DONE", results=1))
        id = api.queue(documents.crew(nodes, edges, process="hierarchical"))
        assert run(id) == "waiting_input"
        assert (paid, len(model.calls)) == ([], 2)
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert (paid, len(model.calls)) == ([("7", 5)], 4)


class TestGraph:
    def test_may_demand_approval(self, api, queued, paid):
        graph = {"message": "May it?", "assignees": {"users": ["bob"]}, "decisions": ["edit"]}
        id = queued(approval="never", graph=graph)
        assert run(id) == "waiting_input"
        (request,) = requests_of(api, id)
        assert (request["message"], request["decisions"]) == ("May it?", ["edit"])
        assert request["assignees"] == {"users": ["bob"], "roles": []}
        assert not request["may_answer"]

    def test_cannot_loosen_what_the_host_demands(self, api, register):
        register(Approval(decisions=["approve"]))
        for approval, below in (
            ("never", ""),
            ({"on_expiry": "approve"}, "/on_expiry"),
            ({"decisions": ["approve", "respond"]}, "/decisions"),
        ):
            refused = api("POST", "/graphs", json=paying(approval=approval))
            assert refused.status_code == 422
            assert [each["pointer"] for each in refused.json["errors"]] == [
                f"/nodes/2/data/approval{below}"
            ]

    def test_that_was_queued_before_the_host_demanded_it_is_tightened(self, app, api, queued, paid):
        graph = {
            "assignees": {"users": ["bob"]},
            "decisions": ["approve", "edit", "respond"],
            "expires_in": 9,
            "on_expiry": "approve",
        }
        id = queued(approval="never", graph=graph)
        tools = app.extensions["crewexec"].registry.tools
        tools["pay"] = dataclasses.replace(tools["pay"], approval=Approval(on_expiry="reject"))
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert (request["decisions"], request["on_expiry"]) == (["approve"], "reject")
        assert request["assignees"] == {"users": [], "roles": []}
        assert request["may_answer"]


class TestStepsThatCannotContinue:
    """What they have stored is not what was said, so they would begin again after the answer."""

    @pytest.fixture
    def sent(self, app):
        """What the tool ``send`` has sent."""
        sent = []

        @app.extensions["crewexec_host"].tool("send")
        def send(result: str) -> str:
            """Send."""
            sent.append(result)
            return "sk-scripted" if result == "secret" else "x" * 50_000

        return sent

    @pytest.mark.settings(MAX_CALL_CHARS=20_000)
    @pytest.mark.parametrize("result", ["secret", "long"])
    @pytest.mark.parametrize("ask", [pay(), ("ask_person", {"question": "May I?"})])
    def test_ask_nobody(self, api, model, register, paid, sent, result, ask):
        register()
        model.add(Turn(raw=tool_calls(("send", {"result": result})), results=0))
        model.add(Turn(raw=tool_calls(ask), results=1), Turn(reply="DONE", results=2))
        id = api.queue(documents.chain("a", tools=("send", ask[0])))
        assert run(id) == "completed"
        assert "needs a person" in told(model.calls[-1])[1]
        assert (requests_of(api, id), sent, paid, len(model.calls)) == ([], [result], [], 3)

    def test_ask_nevertheless_if_no_answer_of_the_provider_could_continue(
        self, api, model, queued, paid, monkeypatch
    ):
        encode = answers.encode

        def refuse_calls(value: object) -> object:
            if isinstance(value, list):
                raise answers.NotStorable("objects of an SDK that is not installed here")
            return encode(value)

        monkeypatch.setattr(answers, "encode", refuse_calls)
        id = queued()
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert (paid, api.event_types(id).count("step_restarted")) == ([("7", 5)], 1)

    def test_a_secret_that_comes_while_somebody_is_asked_is_told_without_it(
        self, api, model, register, paid, sent
    ):
        register()
        calls = [pay(), ("send", {"result": "secret"})]
        model.add(Turn(raw=tool_calls(*calls), results=0), Turn(reply="DONE", results=2))
        id = api.queue(documents.chain("a", tools=("pay", "send")))
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["paid 7", "[secret]"]
        assert (paid, sent, len(model.calls)) == ([("7", 5)], ["secret"], 2)
        assert "step_restarted" not in api.event_types(id)


class TestWhatIsNotAsked:
    @pytest.mark.parametrize(
        ("order", "reason"), [("sk-scripted", "secret"), ("x" * 100_001, "too long")]
    )
    def test_is_told_to_the_model(self, api, model, queued, paid, order, reason):
        id = queued(pay(order))
        assert run(id) == "completed"
        assert reason in told(model.calls[-1])[0]
        assert (paid, requests_of(api, id)) == ([], [])

    def test_arguments_that_the_tool_does_not_accept(self, api, model, queued, paid):
        id = queued(("pay", {"euros": "many"}))
        assert run(id) == "completed"
        assert "validation failed" in told(model.calls[-1])[0]
        assert (paid, requests_of(api, id)) == ([], [])


class TestChangesInTheMeantime:
    """What is made is what people were asked about, or nothing."""

    def outdated(self, api, id):
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "approval-outdated"
        (request,) = requests_of(api, id)
        assert (request["status"], request["decision"]) == ("answered", "approve")

    def test_other_arguments_than_those_that_were_approved(self, api, queued, paid):
        id = queued()
        run(id)
        answer(api, id, "approve")
        change_request(id, digest="0" * 64)
        self.outdated(api, id)
        assert paid == []

    def test_a_tool_that_was_removed_until_a_retry(self, app, api, queued, paid):
        id = queued()
        run(id)
        answer(api, id, "approve")
        tools = app.extensions["crewexec"].registry.tools
        tool = tools.pop("pay")
        self.outdated(api, id)
        assert paid == []
        tools["pay"] = tool
        api.again(id)
        assert run(id) == "completed"
        assert (paid, len(requests_of(api, id))) == ([("7", 5)], 1)

    @pytest.mark.parametrize("change", ["parameters", "approval"])
    def test_a_tool_that_was_changed_and_a_retry_asks_again(self, app, api, queued, paid, change):
        def pay_later(order: str, days: int = 30) -> str:
            """Pay an order later."""
            paid.append((order, days))
            return "paid"

        id = queued()
        run(id)
        answer(api, id, "approve")
        tools = app.extensions["crewexec"].registry.tools
        changed: dict[str, dict[str, t.Any]] = {
            "parameters": {"function": pay_later},
            "approval": {"approval": None},
        }
        before = tools["pay"]
        tools["pay"] = dataclasses.replace(before, **changed[change])
        self.outdated(api, id)
        assert paid == []
        tools["pay"] = dataclasses.replace(before, function=pay_later)
        api.again(id)
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert paid == [("7", 30)]

    def test_a_tool_whose_arguments_mean_something_else_and_a_retry_asks_again(
        self, app, api, queued, paid
    ):
        def pay_thousands(
            order: str, euros: t.Annotated[int, pydantic.Field(description="thousands")] = 5
        ) -> str:
            """Pay an order."""
            paid.append((order, euros * 1000))
            return "paid"

        id = queued()
        run(id)
        answer(api, id, "approve")
        tools = app.extensions["crewexec"].registry.tools
        tools["pay"] = dataclasses.replace(tools["pay"], function=pay_thousands)
        self.outdated(api, id)
        api.again(id)
        assert run(id) == "waiting_input"
        assert paid == []

    def test_a_tool_that_was_changed_and_one_retry_asks_again_about_all_its_calls(
        self, app, api, model, register, paid
    ):
        def pay_later(order: str, days: int = 30) -> str:
            """Pay an order later."""
            paid.append((order, days))
            return "paid"

        register()
        for step in "ab":
            model.on(f"Do {step}", raw=tool_calls(pay(step)), times=2)
        id = api.queue(paying_in_parallel("a", "b"))
        run(id)
        for request in requests_of(api, id):
            assert send_answer(api, request["id"], "approve").status_code == 202
        tools = app.extensions["crewexec"].registry.tools
        tools["pay"] = dataclasses.replace(tools["pay"], function=pay_later)
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "approval-outdated"
        api.again(id)
        assert run(id) == "waiting_input"
        again = requests_of(api, id, status="open")
        assert {each["step_name"]: each["arguments"] for each in again} == {
            step: {"order": step, "days": 30} for step in "ab"
        }
        assert (paid, len(model.calls)) == ([], 4)

    def test_a_step_that_is_restarted_finds_what_was_decided(self, api, queued, paid, change_model):
        id = queued()
        assert run(id) == "waiting_input"
        answer(api, id, "approve")
        change_model()
        assert run(id) == "completed"
        assert paid == [("7", 5)]
        assert api.event_types(id).count("step_restarted") == 1
        assert len(requests_of(api, id)) == 1

    def test_a_step_that_is_restarted_again_asks_again_about_what_was_done(
        self, api, queued, paid, change_model
    ):
        """The first call is made in the second run of the step, by a decision from the first."""
        id = queued(more=[Turn(raw=tool_calls(pay("8")), results=1)])
        for order in "787":
            assert run(id) == "waiting_input"
            assert open_request(api, id)["arguments"]["order"] == order
            answer(api, id, "approve")
            change_model()
        assert paid == [("7", 5)]

    def test_a_step_that_is_restarted_asks_those_who_must_be_asked_now(
        self, app, api, queued, paid, change_model
    ):
        id = queued()
        run(id)
        answer(api, id, "approve")
        tools = app.extensions["crewexec"].registry.tools
        tools["pay"] = dataclasses.replace(tools["pay"], approval=Approval(roles={"boss"}))
        change_model()
        assert run(id) == "waiting_input"
        assert open_request(api, id)["assignees"]["roles"] == ["boss"]
        assert paid == []

    def test_a_step_that_is_restarted_asks_again_about_what_was_done(
        self, api, queued, paid, change_model
    ):
        id = queued(more=[Turn(raw=tool_calls(pay("8")), results=1)])
        for order in "78":
            assert run(id) == "waiting_input"
            assert open_request(api, id)["arguments"]["order"] == order
            answer(api, id, "approve")
        change_model()
        assert run(id) == "waiting_input"
        assert api.event_types(id).count("step_restarted") == 1
        assert open_request(api, id)["arguments"]["order"] == "7"
        assert paid == [("7", 5)]


class TestWhoDecides:
    @pytest.fixture
    def boss(self, client):
        return Api(client, "bob", roles="boss")

    def test_only_the_roles_that_the_tool_names(self, api, boss, admin, queued, paid):
        id = queued(approval=Approval(roles={"boss"}))
        run(id)
        request = open_request(api, id)
        assert request["assignees"] == {"users": [], "roles": ["boss"]}
        assert not request["may_answer"]
        for other in (api, admin):
            assert send_answer(other, request["id"], "approve").status_code == 403
        assert send_answer(boss, request["id"], "approve").status_code == 202
        assert run(id) == "completed"
        assert paid == [("7", 5)]

    @pytest.mark.parametrize(
        ("before", "now", "counts"),
        [
            ({"boss"}, {"boss", "chief"}, True),
            ({"boss"}, {"chief"}, False),
            ({"boss", "chief"}, {"chief"}, False),
        ],
    )
    def test_an_approval_of_a_role_that_may_not_approve_any_more(
        self, app, api, boss, queued, paid, before, now, counts
    ):
        id = queued(approval=Approval(roles=before))
        run(id)
        send_answer(boss, open_request(api, id)["id"], "approve")
        tools = app.extensions["crewexec"].registry.tools
        tools["pay"] = dataclasses.replace(tools["pay"], approval=Approval(roles=now))
        if counts:
            assert run(id) == "completed"
            return
        assert run(id) == "waiting_input"
        assert open_request(api, id)["assignees"]["roles"] == ["chief"]
        assert paid == []

    def test_another_person_than_the_one_who_has_edited(self, client, api, boss, queued, paid):
        approval = Approval(roles={"boss"}, four_eyes=True, decisions=["approve", "edit"])
        id = queued(approval=approval)
        run(id)
        first = open_request(api, id)
        edited = {"order": "8", "euros": 3}
        assert send_answer(boss, first["id"], "edit", arguments=edited).status_code == 202
        assert run(id) == "waiting_input"
        second = open_request(api, id)
        assert (second["round"], second["arguments"]) == (2, edited)
        assert second["edited_by"] == "bob"
        assert send_answer(boss, second["id"], "approve").status_code == 403
        other = Api(client, "eve", roles="boss")
        assert send_answer(other, second["id"], "approve").status_code == 202
        assert run(id) == "completed"
        assert paid == [("8", 3)]

    @pytest.mark.parametrize(
        "_",
        [
            pytest.param(None, id="continued"),
            pytest.param(None, id="restarted", marks=pytest.mark.settings(RESUME_IN_STEP=False)),
        ],
    )
    def test_whose_rejection_counts_though_approval_is_not_needed_any_more(
        self, client, api, boss, queued, paid, _
    ):
        verdicts = iter([True, True])
        approval = Approval(
            when=lambda arguments, user_id: next(verdicts, False),
            roles={"boss"},
            four_eyes=True,
            decisions=["edit", "reject"],
        )
        id = queued(approval=approval)
        edited = {"arguments": {"order": "8", "euros": 3}}
        for user, decision, content in (("bob", "edit", edited), ("eve", "reject", {})):
            assert run(id) == "waiting_input"
            boss = Api(client, user, roles="boss")
            request = open_request(api, id)["id"]
            assert send_answer(boss, request, decision, **content).status_code == 202
        assert run(id) == "completed"
        assert paid == []

    def test_nobody_else_where_the_edited_call_needs_no_approval(self, api, boss, queued, paid):
        approval = Approval(
            when=lambda arguments, user_id: arguments["euros"] > 3,
            roles={"boss"},
            four_eyes=True,
            decisions=["edit"],
        )
        id = queued(approval=approval)
        run(id)
        edited = {"order": "8", "euros": 3}
        send_answer(boss, open_request(api, id)["id"], "edit", arguments=edited)
        assert run(id) == "completed"
        assert paid == [("8", 3)]

    def test_arguments_that_only_the_tool_refuses_are_asked_about_again(self, app, api, model):
        @app.extensions["crewexec_host"].tool("send", approval=Approval(decisions=["edit"]))
        def send(order: ShortText) -> str:
            """Send an order."""
            return f"sent {order}"

        model.add(Turn(raw=tool_calls(("send", {"order": "7"})), results=0), Turn(reply="DONE"))
        id = api.queue(documents.chain("a", tools=("send",)))
        run(id)
        answer(api, id, "edit", arguments={"order": "long"})
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert (request["round"], request["arguments"]) == (2, {"order": "7"})
        assert "does not accept" in request["problem"]
        answer(api, id, "edit", arguments={"order": "8"})
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["sent 8"]

    def test_who_has_edited_is_remembered_while_an_edit_of_others_is_refused(
        self, app, client, api, boss, model
    ):
        approval = Approval(roles={"boss"}, four_eyes=True, decisions=["approve", "edit"])

        @app.extensions["crewexec_host"].tool("send", approval=approval)
        def send(order: ShortText) -> str:
            """Send an order."""
            return f"sent {order}"

        model.add(Turn(raw=tool_calls(("send", {"order": "7"})), results=0), Turn(reply="DONE"))
        id = api.queue(documents.chain("a", tools=("send",)))
        run(id)
        other = Api(client, "eve", roles="boss")
        for editor, order in ((boss, "8"), (other, "long")):
            request, edited = open_request(api, id)["id"], {"order": order}
            assert send_answer(editor, request, "edit", arguments=edited).status_code == 202
            assert run(id) == "waiting_input"
        third = open_request(api, id)
        assert (third["round"], third["arguments"]) == (3, {"order": "8"})
        assert third["edited_by"] == "bob"
        problem(send_answer(boss, third["id"], "approve"), 403, "four-eyes")
        assert send_answer(other, third["id"], "approve").status_code == 202
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["sent 8"]

    def test_and_the_round_after_an_edit_goes_on_in_a_restarted_step(
        self, client, api, queued, paid, change_model
    ):
        id = queued(
            approval=Approval(roles={"boss"}, four_eyes=True, decisions=["approve", "edit"])
        )
        for user, decision in (("bob", "edit"), ("eve", "approve")):
            assert run(id) == "waiting_input"
            edited = {"arguments": {"order": "8", "euros": 3}} if decision == "edit" else {}
            boss = Api(client, user, roles="boss")
            request = open_request(api, id)
            assert send_answer(boss, request["id"], decision, **edited).status_code == 202
            change_model()
        assert run(id) == "completed"
        assert paid == [("8", 3)]

    @pytest.mark.parametrize("decision", ["approve", "reject"])
    def test_and_an_edit_counts_after_a_retry(self, client, app, api, queued, paid, decision):
        """The tool was missing on the worker that should have asked the second person."""
        id = queued(approval=Approval(roles={"boss"}, four_eyes=True, decisions=DECISIONS))
        run(id)
        bob, eve = (Api(client, user, roles="boss") for user in ("bob", "eve"))
        edited = {"order": "8", "euros": 3}
        send_answer(bob, open_request(api, id)["id"], "edit", arguments=edited)
        tools = app.extensions["crewexec"].registry.tools
        tool = tools.pop("pay")
        assert run(id) == "failed"
        tools["pay"] = tool
        api.again(id)
        assert run(id) == "waiting_input"
        second = open_request(api, id)
        assert (second["arguments"], second["edited_by"]) == (edited, "bob")
        assert send_answer(eve, second["id"], decision).status_code == 202
        assert run(id) == "completed"
        assert paid == ([("8", 3)] if decision == "approve" else [])


class TestExternalTools:
    """They are declared like functions; workers find their arguments."""

    def test_of_crewai_and_of_a_server_ask_before_they_are_called(self, app, api, model):
        crewexec = app.extensions["crewexec_host"]
        crewexec.add_crewai_tool(
            "loud", "support.external_tools:Shout", description="Shout.", approval="always"
        )
        crewexec.add_mcp_server(
            "files",
            tools={"readLines": "Read.", "count": "Count."},
            command=[sys.executable, str(TESTS / "support/mcp_server.py")],
            approval={"readLines": Approval(decisions=["approve", "edit"])},
        )
        calls = [("loud", {"text": "tea"}), ("files_readlines", {"path": "a"}), ("files_count", {})]
        model.add(Turn(raw=tool_calls(*calls), results=0), Turn(reply="DONE"))
        tools = ("loud", "files_readlines", "files_count")
        id = api.queue(documents.chain("a", tools=tools))
        assert run(id) == "waiting_input"
        read, loud = requests_of(api, id, status="open")
        assert loud["arguments"] == {"text": "tea", "times": 1}
        assert read["arguments"] == {"path": "a", "lines": None}
        refused = send_answer(api, read["id"], "edit", arguments={"path": "b", "lines": "two"})
        assert [each["pointer"] for each in refused.json["errors"]] == ["/arguments/lines"]
        send_answer(api, read["id"], "edit", arguments={"path": "b", "lines": 3})
        send_answer(api, loud["id"], "approve")
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["TEA!", "3 lines of b", "1"]
