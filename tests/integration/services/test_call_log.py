"""The call log: what is stored of calls, who sees it, and for how long."""

from __future__ import annotations

import json
import uuid

import pytest

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.services.async_execution_service import AsyncExecutionService
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.in_process import loaded_rows
from support.in_process import run
from support.in_process import stored_calls
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

pytestmark = [pytest.mark.libraries, pytest.mark.sqlite_enough]

service = AsyncExecutionService()


def with_tool(model) -> dict[str, object]:
    """Script a run of one step that counts words, then answers; return its graph."""
    words = "count_words", {"text": "a b c"}
    model.add(Turn(raw=tool_calls(words), results=0), Turn(reply="THREE", results=1))
    return documents.chain("a", tools=("count_words", "break_down", "wait_briefly", "tell_key"))


@pytest.fixture
def counted(api, model) -> str:
    """An execution with two model calls and a tool call between them."""
    id = api.queue(with_tool(model))
    assert run(id) == "completed"
    return id


def calls(api, id: str, **query: object):
    return api("GET", f"/executions/{id}/calls", query_string=query).json["calls"]


def store_call(id: str, number: int, request: dict[str, object]) -> None:
    """Store a call of a model that has asked this."""
    call = current_app_state().models.call
    row = {"attempt": 1, "step": 0, "path": "0", "kind": "model", "name": "m", "status": "done"}
    key = {"execution_id": uuid.UUID(id), "number": number}
    with current_app_state().database.write_transaction() as session:
        session.add(call(**key, **row, request=request, started_at=clock.now()))


class TestContents:
    def test_each_call_is_shown_with_what_was_said(self, api, counted):
        first, tool, last = calls(api, counted)
        assert [call["kind"] for call in (first, tool, last)] == ["model", "tool", "model"]
        assert [message["role"] for message in first["request"]["messages"]] == ["system", "user"]
        assert first["answer"]["value"][0]["function"]["name"] == "count_words"
        assert first["usage"]["total_tokens"] == 10
        assert tool["request"] == {"arguments": {"text": "a b c"}}
        assert (tool["answer"], tool["agent"], tool["step"]) == ({"text": "3"}, "Writer", 0)
        assert last["answer"] == {"value": "THREE", "finish_reason": "stop"}
        assert all(call["started_at"] <= call["finished_at"] for call in (first, tool, last))

    def test_a_single_call_shows_the_whole_request(self, api, model, counted):
        whole = api("GET", f"/executions/{counted}/calls/3").json
        sent = model.calls[-1].body["messages"]
        assert [m["role"] for m in whole["messages"]] == [m["role"] for m in sent]
        assert whole["messages"][0]["content"] == sent[0]["content"]
        assert whole["messages"][-1]["content"] == "3"

    def test_events_name_the_calls(self, api, counted):
        assert [e["call"] for e in api.events_of(counted, "model_call_started")] == [1, 3]
        assert [e["call"] for e in api.events_of(counted, "tool_finished")] == [2]

    def test_failures_have_codes(self, api, model):
        slow = "wait_briefly", {"path": "/nowhere"}
        model.add(Turn(raw=tool_calls(("break_down", {}), ("nothing", {}), slow), results=0))
        model.add(Turn(status=401, results=3))
        id = api.queue(with_tool(model))
        assert run(id) == "failed"
        _, *tools, last = calls(api, id)
        assert [tool["error"] for tool in tools] == [
            {"code": "exception"},
            {"code": "refused"},
            {"code": "timeout", "may_have_acted": True},
        ]
        assert last["error"] == {"code": "model-refused-key", "status": 401}
        assert api.status(id)["error"]["call"] == last["number"] == 5
        failed = api.events_of(id, "model_call_failed")[0]
        assert (failed["code"], failed["status"]) == ("model-refused-key", 401)

    def test_a_guardrail_is_a_check(self, api, model):
        model.on(reply="See https://example.com", times=1).on(reply="No link.")
        document = documents.with_data(documents.chain("a"), "a", guardrails=[{"name": "no_urls"}])
        id = api.queue(document)
        assert run(id) == "completed"
        checks = [call for call in calls(api, id) if call["kind"] == "check"]
        assert [check["name"] for check in checks] == ["no_urls", "no_urls"]
        assert [c["answer"]["verdict"] for c in checks] == ["ada wants no links.", True]
        refused = api.events_of(id, "guardrail_failed")[0]
        assert (refused["answer"], refused["call"]) == ("See https://example.com", 2)

    @pytest.mark.settings(MAX_CALL_CHARS=3000)
    def test_a_long_text_is_cut(self, api, model):
        model.on(reply="x" * 5000)
        id = api.queue(documents.chain("a"))
        run(id)
        (call,) = calls(api, id)
        assert call["cut"]
        assert len(call["answer"]["value"]) < 3000
        assert len(api.status(id)["result"]["raw"]) == 5000

    @pytest.mark.settings(MAX_CALLS_CHARS=10)
    def test_beyond_the_limit_of_an_execution_only_the_shape_is_stored(self, api, counted):
        first, tool, last = calls(api, counted)
        assert first["cut"]
        assert (first["request"], last["answer"]) == (None, None)
        assert [call["status"] for call in (first, tool, last)] == ["done"] * 3

    def test_a_secret_is_in_no_row_and_in_no_answer(self, api, model):
        model.add(Turn(raw=tool_calls(("tell_key", {})), results=0))
        model.add(Turn(reply=lambda body: body["messages"][-1]["content"], results=1))
        id = api.queue(with_tool(model))
        run(id)
        key = host.OWN_KEYS["tool", "ada"]
        assert json.dumps(key)[1:-1] in str(model.calls[-1].body) or key in str(
            model.calls[-1].body
        )
        shown = json.dumps(calls(api, id)) + str([vars(call) for call in stored_calls(id)])
        assert "key/of&ada" not in shown
        assert any(call["altered"] for call in calls(api, id))


class TestReading:
    def test_page_by_page(self, api, counted):
        first = api("GET", f"/executions/{counted}/calls?limit=2").json
        assert [call["number"] for call in first["calls"]] == [1, 2]
        rest = calls(api, counted, after=first["next"])
        assert [call["number"] for call in rest] == [3]
        assert calls(api, counted, step=1) == []

    def test_without_contents(self, api, counted):
        assert [call["request"] for call in calls(api, counted, content="false")] == [None] * 3

    @pytest.mark.settings(MAX_STATUS_CHARS=100)
    def test_pages_of_large_calls_are_shorter(self, app, api, counted):
        pages: list[list[int]] = []
        query: dict[str, int] = {}
        with loaded_rows(current_app_state().models.call) as loaded:
            while not pages or pages[-1]:
                page = api("GET", f"/executions/{counted}/calls", query_string=query).json
                pages.append([call["number"] for call in page["calls"]])
                query["after"] = page["next"]
        assert pages == [[1], [2], [3], []]
        assert len(loaded) == 3
        assert len(calls(api, counted, content="false")) == 3
        asked = ["crewexec", "calls", counted, "--json"]
        assert len(json.loads(app.test_cli_runner().invoke(args=asked).output)) == 3
        assert len(service.record(counted)["calls"]) == 3

    @pytest.mark.settings(MAX_STATUS_CHARS=100)
    def test_a_call_tells_where_its_first_messages_are(self, api, model, counted):
        last = api("GET", f"/executions/{counted}/calls/3").json
        assert (last["messages_omitted"], last["omitted_in_call"]) == (2, 1)
        first = api("GET", f"/executions/{counted}/calls/1").json
        assert (first["messages_omitted"], first["omitted_in_call"]) == (0, None)
        sent = [message["role"] for message in model.calls[-1].body["messages"]]
        assert [m["role"] for m in (*first["messages"], *last["messages"])] == sent

    @pytest.mark.settings(MAX_STATUS_CHARS=700)
    def test_a_conversation_that_went_back_lacks_only_what_it_has_kept(self, api):
        id = api.queue(documents.chain("a"))
        starts = {1: (0, "a"), 2: (1, "b" * 300), 3: (2, "c" * 300), 4: (1, "d" * 300)}
        for number, (start, text) in starts.items():
            store_call(id, number, {"start": start, "messages": [{"content": text}]})
        last = api("GET", f"/executions/{id}/calls/4").json
        assert [message["content"] for message in last["messages"]] == ["d" * 300]
        assert (last["messages_omitted"], last["omitted_in_call"]) == (1, 2)
        found = api("GET", f"/executions/{id}/calls/2").json["messages"]
        assert found[0] == {"content": "a"}

    def test_strangers_see_nothing(self, counted, stranger):
        problem(stranger("GET", f"/executions/{counted}/calls"), 404, "not-found")
        problem(stranger("GET", f"/executions/{counted}/calls/1"), 404, "not-found")

    @pytest.mark.parametrize("number", ["4", "0", "-1", "x", "1e3", "99999999999", "²"])
    def test_a_number_that_does_not_exist(self, api, counted, number):
        problem(api("GET", f"/executions/{counted}/calls/{number}"), 404, "not-found")

    def test_managers_see_contents(self, admin, counted):
        assert calls(admin, counted)[0]["request"] is not None

    @pytest.mark.settings(MANAGERS_SEE_CONTENT=False)
    def test_managers_may_see_the_shape_only(self, api, admin, counted):
        assert calls(api, counted)[0]["request"] is not None
        shape = calls(admin, counted)
        assert [(call["request"], call["answer"]) for call in shape] == [(None, None)] * 3
        assert [call["status"] for call in shape] == ["done"] * 3
        assert admin("GET", f"/executions/{counted}/calls/1").json["messages"] is None

    def test_from_the_terminal(self, app, counted):
        runner = app.test_cli_runner()
        shown = runner.invoke(args=["crewexec", "calls", counted]).output
        assert "tool   count_words done" in shown
        assert '{"text": "3"}' in shown
        asked = ["crewexec", "calls", counted, "--step", "1", "--json"]
        assert [c["number"] for c in json.loads(runner.invoke(args=asked).output)] == [1, 2, 3]


class TestRedactor:
    def test_texts_are_shown_and_kept_as_the_host_says(self, app, api, model):
        host_extension = app.extensions["crewexec_host"]
        goes = []

        @host_extension.redactor
        def hide(text: str, where: str) -> str:
            goes.append(where)
            return text.replace("THREE", "***")

        id = api.queue(with_tool(model))
        run(id)
        assert stored_calls(id)[-1].answer == {"value": "***", "finish_reason": "stop"}
        assert calls(api, id)[-1]["answer"]["value"] == "***"
        assert set(goes) == {"stored", "shown"}
        assert api.status(id)["result"]["raw"] == "THREE"

    def test_a_text_is_withheld_if_the_redactor_fails(self, app, api, counted):
        app.extensions["crewexec_host"].redactor(lambda text, goes: 1 / 0)
        assert calls(api, counted)[-1]["answer"]["value"] == "[withheld]"
