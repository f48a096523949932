"""Limits of tool calls: time, length of the output and arguments."""

from __future__ import annotations

import threading
import typing as t

import pytest
from pydantic import Field

from flask_crewexec import current_execution
from flask_crewexec.runtime import tool_invocation
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import column
from support.in_process import run
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough


@pytest.fixture
def crewexec(app):
    return app.extensions["crewexec_host"]


@pytest.fixture
def gate():
    """What a hanging tool waits for; opened in the end, and then waited for."""
    gate = threading.Event()
    yield gate
    gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("crewexec-tool-"):
            thread.join(10)
            assert not thread.is_alive()


def calling(model, tool, **arguments):
    model.add(Rule(tool=(tool, arguments), after_tool=False, times=1))
    model.on(after_tool=True, reply="done")


def told(model, call=1):
    """What the model was told of the tool that it called."""
    message = model.calls[call].body["messages"][-1]
    assert message["role"] == "tool"
    return message["content"]


class TestTime:
    def test_a_call_that_takes_too_long_is_abandoned(self, crewexec, api, model, gate, caplog):
        @crewexec.tool("hang", timeout=0.2)
        def hang() -> str:
            """Hang."""
            gate.wait(30)
            return "never said"

        calling(model, "hang")
        id = api.queue(documents.chain("a", tools=("hang",)))
        assert run(id) == "completed"
        assert "'hang' took longer than 0.2 seconds" in told(model)
        assert "tool_failed" in api.event_types(id)
        gate.set()
        wait_until(lambda: "An abandoned call of tool" in caplog.text)
        assert "never said" not in api("GET", f"/executions/{id}/events").text

    def test_a_late_result_does_not_reach_the_next_run(self, crewexec, api, model, gate):
        ended = []

        @crewexec.tool("hang", timeout=0.2)
        def hang(text: str) -> str:
            """Hang at first."""
            if text == "first":
                gate.wait(30)
            ended.append((text, current_execution.id))
            return f"{text} said"

        model.add(Rule("Do a", tool=("hang", {"text": "first"}), after_tool=False))
        model.add(Rule("Do b", tool=("hang", {"text": "second"}), after_tool=False))
        model.on(after_tool=True, reply="done")
        first = api.queue(documents.chain("a", tools=("hang",)))
        assert run(first) == "completed"
        second = api.queue(documents.chain("b", tools=("hang",)))
        gate.set()
        wait_until(lambda: ended)
        assert run(second) == "completed"
        assert told(model, 3) == "second said"
        assert [(text, str(id)) for text, id in ended] == [("first", first), ("second", second)]

    def test_a_call_with_a_timeout_has_the_same_context_as_others(self, crewexec, app, api, model):
        @crewexec.tool("ask", timeout=20)
        def ask() -> str:
            """Ask who is there."""
            from flask import current_app

            return f"{current_app.name} {current_execution.user_id}"

        calling(model, "ask")
        assert run(api.queue(documents.chain("a", tools=("ask",)))) == "completed"
        assert told(model) == f"{app.name} ada"

    def test_an_error_before_the_timeout_is_passed_on(self, crewexec, api, model):
        @crewexec.tool("ask", timeout=20)
        def ask() -> str:
            """Ask somebody slow."""
            raise TimeoutError("the other side is slow")

        calling(model, "ask")
        assert run(api.queue(documents.chain("a", tools=("ask",)))) == "completed"
        assert "the other side is slow" in told(model)

    def test_a_tool_with_too_many_hanging_calls_is_not_called_any_more(
        self, crewexec, api, model, gate, monkeypatch
    ):
        monkeypatch.setattr(tool_invocation, "MAX_ABANDONED_CALLS", 1)
        calls = []

        @crewexec.tool("hang", timeout=0.2)
        def hang(number: int) -> str:
            """Hang."""
            calls.append(number)
            gate.wait(30)
            return ""

        for number in (1, 2):
            model.add(Rule(f"Do {number}x", tool=("hang", {"number": number}), after_tool=False))
        model.on(after_tool=True, reply="done")
        run(api.queue(documents.chain("1x", tools=("hang",))))
        run(api.queue(documents.chain("2x", tools=("hang",))))
        assert calls == [1]
        assert "'hang' is stuck" in told(model, 3)
        gate.set()
        wait_until(lambda: tool_invocation._abandoned["hang"] == 0)

    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_on_workers(self, api, model, start_worker, tmp_path, pool):
        tool = ("wait_briefly", {"path": f"{tmp_path}/file"})
        model.add(Rule("Do (a|b)", tool=tool, after_tool=False))
        model.on(after_tool=True, reply="done")
        start_worker(pool=pool)
        id = api.queue(documents.chain("a", tools=("wait_briefly",)))
        assert api.ended(id)["status"] == "completed"
        assert "took longer than 1 seconds" in told(model)
        (tmp_path / "file").touch()
        id = api.queue(documents.chain("b", tools=("wait_briefly",)))
        assert api.ended(id)["status"] == "completed"
        assert told(model, 3) == "it is there for ada"


class TestLength:
    @pytest.mark.settings(MAX_TOOL_OUTPUT_CHARS=12)
    @pytest.mark.parametrize(
        ("limit", "result", "seen"),
        [
            (5, "0123456789", "01234… [cut: 5 of 10 characters]"),
            (10, "0123456789", "0123456789"),
            (5, list(range(9)), "[0, 1… [cut: 5 of 27 characters]"),
            (None, "0123456789ab", "0123456789ab"),
            (None, "0123456789abc", "0123456789ab… [cut: 12 of 13 characters]"),
        ],
    )
    def test_a_long_output_is_truncated(self, crewexec, api, model, limit, result, seen):
        @crewexec.tool("read", description="Read.", max_output_chars=limit)
        def read() -> object:
            return result

        calling(model, "read")
        assert run(api.queue(documents.chain("a", tools=("read",)))) == "completed"
        assert told(model) == seen

    def test_a_long_error_message_is_truncated(self, crewexec, api, model):
        @crewexec.tool("read", max_output_chars=20)
        def read() -> str:
            """Read."""
            raise ValueError("x" * 100_000)

        calling(model, "read")
        assert run(api.queue(documents.chain("a", tools=("read",)))) == "completed"
        assert told(model).endswith("xxx… [cut: 20 of 100000 characters]")
        assert len(told(model)) < 100

    def test_truncation_leaves_no_part_of_a_secret(self, crewexec, api, model):
        @crewexec.tool("read", max_output_chars=20)
        def read() -> str:
            """Read."""
            return f"the key: {crewexec.secret('shout')}"

        calling(model, "read")
        id = api.queue(documents.chain("a", tools=("read",)))
        assert run(id) == "completed"
        assert told(model) == "the key: … [cut: 9 of 36 characters]"


class TestBounds:
    @pytest.fixture
    def calls(self, crewexec):
        calls = []

        @crewexec.tool("find", description="Find.")
        def find(
            limit: t.Annotated[int, Field(ge=1, le=10)],
            word: t.Annotated[str, Field(max_length=5)] = "",
        ) -> str:
            calls.append((limit, word))
            return "found"

        return calls

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ({"limit": 11}, "less than or equal to 10"),
            ({"limit": 0}, "greater than or equal to 1"),
            ({"limit": "many"}, "valid integer"),
            ({"limit": 1, "word": "longer"}, "at most 5 characters"),
            ({}, "Field required"),
        ],
    )
    def test_arguments_out_of_bounds_do_not_reach_the_tool(
        self, api, model, calls, arguments, complaint
    ):
        calling(model, "find", **arguments)
        assert run(api.queue(documents.chain("a", tools=("find",)))) == "completed"
        assert calls == []
        assert complaint in told(model)

    def test_arguments_within_bounds_reach_the_tool(self, api, model, calls):
        calling(model, "find", limit=10, word="12345")
        assert run(api.queue(documents.chain("a", tools=("find",)))) == "completed"
        assert calls == [(10, "12345")]
        assert told(model) == "found"

    def test_models_and_users_see_the_bounds(self, api, model, calls):
        calling(model, "find", limit=1)
        run(api.queue(documents.chain("a", tools=("find",))))
        (sent,) = model.calls[0].body["tools"]
        shown = {tool["name"]: tool for tool in api("GET", "/registry").json["tools"]}["find"]
        for schema in (sent["function"]["parameters"], shown["arguments"]):
            assert schema["properties"]["limit"]["maximum"] == 10
            assert schema["properties"]["word"]["maxLength"] == 5


def test_a_missing_secret_of_a_tool_ends_the_run(stranger, model):
    calling(model, "tell_key")
    id = stranger.queue(documents.chain("a", tools=("tell_key",)))
    assert run(id) == "failed"
    error = stranger.status(id)["error"]
    assert (error["code"], error["message"]) == (
        "secret-missing",
        "There is no secret 'tool' for this user.",
    )
    assert column(id, "llm_calls") == 1
