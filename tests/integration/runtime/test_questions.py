"""Questions of agents to people, with the real engine."""

from __future__ import annotations

import dataclasses
import json

import pytest

from support.api_client import Api
from support.graphs import documents
from support.in_process import run
from support.in_process import stored_calls
from support.input_requests import answer
from support.input_requests import open_request
from support.input_requests import requests_of
from support.input_requests import send_answer
from support.scripted_turns import Call
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

pytestmark = pytest.mark.libraries


def question(text: str, **more: object) -> Call:
    return "ask_person", {"question": text, **more}


def note(text: str) -> Call:
    return "write_note", {"text": text}


def asking(*tools):
    return documents.chain("a", tools=("ask_person", *tools))


def let_model_write_its_calls(app) -> None:
    registry = app.extensions["crewexec"].registry
    registry.llms["default"] = dataclasses.replace(registry.llms["default"], model="o1-mini")


def written(tool: str, **arguments: str) -> str:
    return f"Thought: Do it.\nAction: {tool}\nAction Input: {json.dumps(arguments)}"


def told(call) -> list[str]:
    """The results of tools in the messages of a call of the model."""
    return [each["content"] for each in call.body["messages"] if each["role"] == "tool"]


def hierarchical(*tools):
    """A manager, and two coworkers with tools."""
    nodes = [documents.agent(id) for id in ("boss", "writer", "clerk")]
    nodes += [documents.task("a"), *(documents.named(name, "tool") for name in tools)]
    edges = ["boss writer manager", "boss clerk manager"]
    edges += [f"{name} {id}" for name in tools for id in ("writer", "clerk")]
    return documents.crew(nodes, edges, process="hierarchical")


def order(what: str, coworker: str) -> tuple[str, dict[str, str]]:
    arguments = {"task": what, "context": "none", "coworker": coworker}
    return "delegate_work_to_coworker", arguments


class TestAnswer:
    def test_is_the_result_of_the_call(self, api, model):
        model.add(Turn(raw=tool_calls(question("Which colour?")), results=0))
        model.add(Turn(reply="DONE", results=1))
        id = api.queue(asking())
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert (request["kind"], request["message"]) == ("question", "Which colour?")
        assert (request["tool"], request["step_name"]) == ("ask_person", "a")
        assert (request["draft"], request["arguments"]) == (None, None)
        assert request["decisions"] == ["respond", "reject"]
        assert (len(model.calls), api.status(id)["usage"]["tool_calls"]) == (1, 0)
        assert answer(api, id, "respond", text="red")["answer"] == {"text": "red"}
        assert run(id) == "completed"
        assert len(model.calls) == 2
        assert told(model.calls[-1]) == ["red"]
        assert [(call.kind, call.status) for call in stored_calls(id)] == [
            ("model", "done"),
            ("tool", "done"),
            ("model", "done"),
        ]

    def test_is_one_of_the_choices(self, api, model):
        asked = question("Which colour?", choices=["red", "blue"])
        model.add(Turn(raw=tool_calls(asked), results=0), Turn(reply="DONE", results=1))
        id = api.queue(asking())
        assert run(id) == "waiting_input"
        assert open_request(api, id)["schema"] == {"enum": ["red", "blue"]}
        for content in ({"value": "green"}, {"value": ["red"]}, {"text": "green"}, {}):
            refused = answer(api, id, "respond", expect=422, **content)
            (pointer,) = [each["pointer"] for each in refused["errors"]]
            assert pointer == f"/{next(iter(content), 'text')}"
        answer(api, id, "respond", value="blue")
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["blue"]

    def test_can_be_refused_with_words_for_the_model(self, api, model):
        model.add(Turn(raw=tool_calls(question("Your salary?")), results=0))
        model.add(Turn(reply="DONE", results=1))
        id = api.queue(asking())
        run(id)
        answer(api, id, "reject", text="I do not want to say")
        assert run(id) == "completed"
        assert told(model.calls[-1]) == [
            "The person does not answer this question: I do not want to say"
        ]

    @pytest.mark.settings(MANAGERS_SEE_CONTENT=False)
    def test_and_the_question_may_be_kept_from_managers(self, api, admin, model):
        asked = question("Your salary?", choices=["low", "high"])
        model.add(Turn(raw=tool_calls(asked), results=0))
        id = api.queue(asking())
        run(id)
        assert open_request(api, id)["message"] == "Your salary?"
        shown = open_request(admin, id)
        assert (shown["message"], shown["schema"], shown["digest"]) == (None, None, None)

    @pytest.mark.settings(MAX_TOOL_OUTPUT_CHARS=10)
    def test_is_not_longer_than_the_result_of_a_tool(self, api, model):
        model.add(Turn(raw=tool_calls(question("Which colour?")), results=0))
        id = api.queue(asking())
        run(id)
        refused = answer(api, id, "respond", expect=422, text="x" * 11)
        assert [each["pointer"] for each in refused["errors"]] == ["/text"]
        refused = answer(api, id, "respond", expect=422, value="red")
        assert [each["pointer"] for each in refused["errors"]] == ["/value"]

    def test_to_the_same_question_is_not_used_again(self, api, model):
        model.add(Turn(raw=tool_calls(question("How many?")), results=0))
        model.add(Turn(raw=tool_calls(question("How many?")), results=1))
        model.add(Turn(reply="DONE", results=2))
        id = api.queue(asking())
        assert run(id) == "waiting_input"
        answer(api, id, "respond", text="one")
        assert run(id) == "waiting_input"
        answer(api, id, "respond", text="two")
        assert run(id) == "completed"
        assert len(model.calls) == 3
        assert told(model.calls[-1]) == ["one", "two"]


class TestGraph:
    """A graph says who answers."""

    def test_only_those_whom_it_names_are_asked(self, client, api, model):
        model.add(Turn(raw=tool_calls(question("Which colour?")), results=0))
        model.add(Turn(reply="DONE", results=1))
        graph = {"assignees": {"users": ["eve", "ada"], "roles": ["editor"]}, "four_eyes": True}
        id = api.queue(documents.with_data(asking(), "ask_person", **graph))
        assert run(id) == "waiting_input"
        request = open_request(api, id)
        assert request["assignees"] == {"users": ["ada", "eve"], "roles": ["editor"]}
        assert (request["on_expiry"], request["expires_at"]) == ("fail", None)
        assert send_answer(api, request["id"], "respond", text="red").json["code"] == "four-eyes"
        assert send_answer(Api(client, "bob"), request["id"], "respond").status_code == 404
        editor = Api(client, "bob", roles="editor")
        assert send_answer(editor, request["id"], "respond", text="blue").status_code == 202
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["blue"]


class TestQuestion:
    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({"question": " "}, "empty"),
            ({"question": "\u200b \u3164"}, "empty"),
            ({"question": "x" * 4001}, "4000 characters"),
            ({"question": "Which?", "choices": ["x" * 201]}, "200 characters"),
            ({"question": "Which?", "choices": [*"abcdefghijklmnopqrstu"]}, "20 choices"),
            ({"question": "Which?", "choices": ["a", "\u2060"]}, "1 to 200 characters"),
            ({"question": "Which?", "choices": ["a", "a"]}, "must differ"),
            ({"question": "Which?", "choices": "red"}, "validation failed"),
            ({"question": "Which?", "choices": [None]}, "validation failed"),
            ({"question": 5}, "validation failed"),
            (["Which?"], "not a JSON object"),
        ],
    )
    def test_of_another_form_is_not_asked(self, api, model, arguments, problem):
        model.add(Turn(raw=tool_calls(("ask_person", arguments)), results=0))
        model.add(Turn(reply="DONE", results=1))
        id = api.queue(asking())
        assert run(id) == "completed"
        assert problem in told(model.calls[-1])[0]
        assert requests_of(api, id) == []

    def test_is_shown_without_characters_that_nobody_sees(self, api, model):
        asked = question("Is \x1b[2J\nright?")
        model.add(Turn(raw=tool_calls(asked), results=0), Turn(reply="DONE", results=1))
        id = api.queue(asking())
        assert run(id) == "waiting_input"
        assert open_request(api, id)["message"] == "Is [2J\nright?"
        answer(api, id, "respond", text="yes")
        assert run(id) == "completed"
        assert len(model.calls) == 2


class TestSeveralCalls:
    def test_of_one_answer_ask_together_and_the_others_are_made(self, api, model, notes):
        calls = [question("Which colour?"), note("one"), question("How many?")]
        model.add(Turn(raw=tool_calls(*calls), results=0), Turn(reply="DONE", results=3))
        id = api.queue(asking("write_note"))
        assert run(id) == "waiting_input"
        assert notes() == {"one": 1}
        second, first = requests_of(api, id, status="open")
        assert (first["message"], second["message"]) == ("Which colour?", "How many?")
        assert send_answer(api, second["id"], "respond", text="two").status_code == 202
        assert api.status(id)["status"] == "waiting_input"
        assert send_answer(api, first["id"], "respond", text="red").status_code == 202
        assert run(id) == "completed"
        assert (len(model.calls), notes()) == (2, {})
        assert told(model.calls[-1]) == ["red", "written", "two"]

    def test_may_have_the_same_id(self, api, model):
        raw = tool_calls(question("Which colour?"), question("How many?"))
        model.add(Turn(raw=raw.replace(b"call_1", b"call_0"), results=0))
        model.add(Turn(reply="DONE", results=2))
        id = api.queue(asking())
        assert run(id) == "waiting_input"
        second, first = requests_of(api, id, status="open")
        send_answer(api, second["id"], "respond", text="two")
        send_answer(api, first["id"], "respond", text="red")
        assert run(id) == "completed"
        assert told(model.calls[-1]) == ["red", "two"]

    def test_that_a_model_has_written_ask_one_after_the_other(self, app, api, model, notes):
        let_model_write_its_calls(app)
        for text in ("Which colour?", "How many?"):
            model.on(reply=written("Ask Person", question=text), times=1)
        model.on(reply=written("write_note", text="one"), times=1)
        model.on(reply="Thought: Done.\nFinal Answer: DONE")
        id = api.queue(asking("write_note"))
        for text, reply in (("Which colour?", "red"), ("How many?", "two")):
            assert run(id) == "waiting_input"
            assert open_request(api, id)["message"] == text
            answer(api, id, "respond", text=reply)
        assert run(id) == "completed"
        assert (len(model.calls), notes()) == (4, {"one": 1})
        for reply in ("red", "two", "written"):
            assert f"Observation: {reply}" in str(model.calls[-1].body)


class TestDelegatedWork:
    def test_stops_the_manager_and_continues_at_the_question(self, api, model, notes):
        model.add(Turn(when="Paint it", raw=tool_calls(note("begun")), results=0))
        model.add(Turn(when="Paint it", raw=tool_calls(question("Which colour?")), results=1))
        model.add(Turn(when="Paint it", reply="RED", results=2))
        model.add(Turn(raw=tool_calls(order("Paint it", "Writer")), results=0))
        model.add(Turn(reply="DONE", results=1))
        id = api.queue(hierarchical("ask_person", "write_note"))
        assert run(id) == "waiting_input"
        assert len(model.calls) == 3
        answer(api, id, "respond", text="red")
        assert run(id) == "completed"
        assert (len(model.calls), notes()) == (5, {"begun": 1})
        assert told(model.calls[-1]) == ["RED"]

    def test_that_a_model_has_written_stops_the_manager_too(self, app, api, model):
        let_model_write_its_calls(app)
        name, arguments = order("Paint it", "Writer")
        model.on(reply=written(name, **arguments), times=1)
        model.on(reply=written("ask_person", question="Which colour?"), times=1)
        model.on(reply="Thought: Done.\nFinal Answer: RED", times=1)
        model.on(reply="Thought: Done.\nFinal Answer: DONE")
        id = api.queue(hierarchical("ask_person"))
        assert run(id) == "waiting_input"
        assert len(model.calls) == 2
        answer(api, id, "respond", text="red")
        assert run(id) == "completed"
        assert len(model.calls) == 4
        assert "Observation: RED" in str(model.calls[-1].body)

    def test_of_two_coworkers_at_once_asks_for_both(self, api, model):
        for what, text in (("Paint it", "Which colour?"), ("Count it", "How many?")):
            model.add(Turn(when=what, raw=tool_calls(question(text)), results=0))
            model.add(Turn(when=what, reply=f"{what}: done", results=1))
        calls = [order("Paint it", "Writer"), order("Count it", "Clerk")]
        model.add(Turn(raw=tool_calls(*calls), results=0), Turn(reply="DONE", results=2))
        id = api.queue(hierarchical("ask_person"))
        assert run(id) == "waiting_input"
        asked = requests_of(api, id, status="open")
        assert {each["message"] for each in asked} == {"Which colour?", "How many?"}
        paid = len(model.calls)
        for each in asked:
            send_answer(api, each["id"], "respond", text="x")
        assert run(id) == "completed"
        assert len(model.calls) == paid + 3
