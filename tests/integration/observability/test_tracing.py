"""Spans from the request over the worker to the model, as OpenTelemetry's SDK exports them."""

from __future__ import annotations

import dataclasses
import json
import uuid

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace import StatusCode

from flask_crewexec.tasks import cleanup
from flask_crewexec.testing import Rule
from support.api_client import Api
from support.graphs import documents
from support.host_app import host
from support.in_process import change
from support.in_process import column
from support.in_process import run
from support.message_lists import list_of
from support.paths import TESTS
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn
from support.servers.celery_nodes import WorkerProcess
from support.servers.processes import wait_until

PROVIDER = "gen_ai.provider.name"
ARGUMENTS = "gen_ai.tool.call.arguments"
RESULT = "gen_ai.tool.call.result"

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]


class Spans:
    """The exported spans."""

    def __init__(self, exporter):
        self._exporter = exporter

    @property
    def ended(self):
        return self._exporter.get_finished_spans()

    def named(self, name):
        return [span for span in self.ended if span.name == name]

    def one(self, name):
        (span,) = self.named(name)
        return span

    def parent_of(self, span):
        """The name of the span around, which belongs to the same trace."""
        (parent,) = [each for each in self.ended if each.context.span_id == span.parent.span_id]
        assert parent.context.trace_id == span.context.trace_id
        return parent.name


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # a process can set one only once
    yield Spans(exporter)
    provider.shutdown()


def queue_in_request(api, document, **order):
    with trace.get_tracer("host").start_as_current_span("request"):
        return api.queue(document, **order)


class TestOneTrace:
    def test_from_the_request_to_the_model_call(self, api, model, spans):
        id = queue_in_request(api, documents.chain("a"))
        run(id)
        chain = ["chat gpt-4o-mini", "invoke_agent", "crewexec attempt", "crewexec queue"]
        parents = [spans.parent_of(spans.one(name)) for name in chain]
        assert parents == [*chain[1:], "request"]
        kinds = [spans.one(name).kind for name in chain]
        assert kinds == [SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.CONSUMER, SpanKind.PRODUCER]
        for name in ("crewexec queue", "crewexec attempt"):
            assert spans.one(name).attributes["crewexec.execution.id"] == id

    def test_each_step_has_its_own_calls(self, api, model, spans):
        run(queue_in_request(api, documents.chain("a", "b")))
        steps = {span.context.span_id: span for span in spans.named("invoke_agent")}
        calls = spans.named("chat gpt-4o-mini")
        positions = [
            steps[call.parent.span_id].attributes["crewexec.step.position"] for call in calls
        ]
        assert positions == [0, 1]

    def test_a_model_call_records_its_tokens(self, api, model, spans):
        id = queue_in_request(api, documents.chain("a"))
        run(id)
        told = spans.one("chat gpt-4o-mini").attributes
        usage = api.status(id)["usage"]
        assert told["gen_ai.usage.input_tokens"] == usage["prompt_tokens"] > 0
        assert told["gen_ai.usage.output_tokens"] == usage["completion_tokens"] > 0
        assert told["gen_ai.response.finish_reasons"] == ("stop",)

    def test_a_tool_and_what_the_host_traces_within(self, api, app, model, spans):
        spec = app.extensions["crewexec"].registry.tools["count_words"]

        def traced(text: str) -> str:
            with trace.get_tracer("host").start_as_current_span("query"):
                return spec.function(text)

        app.extensions["crewexec"].registry.tools["count_words"] = dataclasses.replace(
            spec, function=traced
        )
        model.add(Rule(tool=("count_words", {"text": "a b"}), after_tool=False, times=1))
        run(queue_in_request(api, documents.chain("a", tools=("count_words",))))
        assert spans.parent_of(spans.one("query")) == "execute_tool count_words"
        assert spans.parent_of(spans.one("execute_tool count_words")) == "invoke_agent"

    def test_lasts_over_attempts(self, api, model, spans):
        model.on("Do a", status=503, times=1, reply="busy")
        id = queue_in_request(api, documents.chain("a"))
        assert run(id) == "retrying"
        change(id, status="queued")  # as the reconciler does when it is due
        assert run(id) == "completed"
        first, second = spans.named("crewexec attempt")
        assert first.parent.span_id == second.parent.span_id
        assert [span.attributes["crewexec.attempt"] for span in (first, second)] == [1, 2]
        outcomes = [span.attributes["crewexec.outcome"] for span in (first, second)]
        assert outcomes == ["retrying", "completed"]

    def test_a_requested_retry_starts_another_trace(self, api, model, spans):
        model.on("Do a", status=400, times=1, reply="no")
        id = queue_in_request(api, documents.chain("a"))
        run(id)
        former = column(id, "traceparent")
        with trace.get_tracer("host").start_as_current_span("second request"):
            assert api("POST", f"/executions/{id}/retry").status_code == 202
        assert column(id, "traceparent") != former
        run(id)
        _, attempt = spans.named("crewexec attempt")
        assert attempt.context.trace_id == spans.one("second request").context.trace_id


class TestTrouble:
    def test_a_failed_call_is_marked_without_its_message(self, api, model, spans):
        model.on("Do a", status=400, reply="the secret word")
        run(queue_in_request(api, documents.chain("a")))
        for name in ("chat gpt-4o-mini", "invoke_agent", "crewexec attempt"):
            assert spans.one(name).status.status_code is StatusCode.ERROR
        assert "secret word" not in "".join(span.to_json() for span in spans.ended)

    def test_a_broken_tool_is_marked(self, api, model, spans):
        model.add(Rule(tool=("break_down", {}), after_tool=False, times=1))
        run(queue_in_request(api, documents.chain("a", tools=("break_down",))))
        tool = spans.one("execute_tool break_down")
        assert tool.status.status_code is StatusCode.ERROR
        assert tool.attributes["error.type"] == "RuntimeError"
        assert not tool.events

    def test_a_processor_that_fails_stops_no_run(self, api, spans):
        class Failing(SpanProcessor):
            def on_start(self, span, parent_context=None):
                if span.name == "crewexec attempt":
                    raise RuntimeError("no exporter")

        provider = trace.get_tracer_provider()
        assert isinstance(provider, TracerProvider)
        provider.add_span_processor(Failing())
        assert run(api.queue(documents.chain("a"))) == "completed"

    def test_a_rejected_submission_is_marked(self, api, spans):
        answer = api("POST", "/executions", json={"graph_id": str(uuid.uuid4())})
        assert answer.status_code == 404
        assert spans.one("crewexec queue").attributes["error.type"] == "NotFound"

    def test_nothing_stays_open_after_a_stop(self, api, model, spans):
        model.add(Rule(tool=("exit", {}), after_tool=False))
        id = queue_in_request(api, documents.chain("a", tools=("exit",)), max_llm_calls=1)
        assert run(id) == "failed"
        assert len(spans.named("invoke_agent")) == len(spans.named("crewexec attempt")) == 1


class TestPrivacy:
    def test_no_texts_and_no_users(self, client, model, spans):
        model.on("Tell about tea", "Tea is a plant.")
        user = "grace"  # unlike "ada", no part of a hexadecimal id
        run(queue_in_request(Api(client, user), documents.ONE_TASK, inputs={"topic": "tea"}))
        exported = "".join(span.to_json() for span in spans.ended)
        for text in (user, "Tell about", "Tea is", host.KEY):
            assert text not in exported


@pytest.mark.settings(TRACE_CONTENT=True)
class TestContents:
    @pytest.fixture
    def counting(self, api, model):
        words = ("count_words", {"text": "a b c"})
        model.add(Turn(raw=tool_calls(words), results=0), Turn(reply="THREE", results=1))
        document = documents.chain("a", tools=("count_words",))
        return lambda: run(queue_in_request(api, document))

    def test_prompts_and_answers(self, counting, spans):
        assert counting() == "completed"
        first, last = spans.named("chat gpt-4o-mini")
        assert (first.attributes["crewexec.call.number"], first.attributes[PROVIDER]) == (
            1,
            "openai",
        )
        said = json.loads(last.attributes["gen_ai.input.messages"])
        assert [message["role"] for message in said] == ["system", "user", "assistant", "tool"]
        assert said[0]["parts"][0]["type"] == "text"
        (called,) = said[2]["parts"]
        assert (called["type"], called["name"]) == ("tool_call", "count_words")
        (told,) = said[3]["parts"]
        assert (told["type"], told["id"], told["response"]) == (
            "tool_call_response",
            called["id"],
            "3",
        )
        (answer,) = json.loads(last.attributes["gen_ai.output.messages"])
        assert answer == {
            "role": "assistant",
            "parts": [{"type": "text", "content": "THREE"}],
            "finish_reason": "stop",
        }
        (wanted,) = json.loads(first.attributes["gen_ai.output.messages"])[0]["parts"]
        assert json.loads(wanted["arguments"]) == {"text": "a b c"}
        assert spans.one("invoke_agent").attributes["gen_ai.agent.name"] == "Writer"

    def test_arguments_and_results_of_tools(self, counting, spans):
        counting()
        tool = spans.one("execute_tool count_words").attributes
        assert json.loads(tool["gen_ai.tool.call.arguments"])["text"] == "a b c"
        assert tool["gen_ai.tool.call.result"] == "3"

    def test_secrets_are_replaced(self, api, model, spans):
        model.add(Turn(raw=tool_calls(("tell_key", {})), results=0))
        model.add(Turn(reply=lambda body: body["messages"][-1]["content"], results=1))
        run(queue_in_request(api, documents.chain("a", tools=("tell_key",))))
        exported = "".join(span.to_json() for span in spans.ended)
        assert "[secret]" in spans.one("execute_tool tell_key").attributes[RESULT]
        assert "key/of&ada" not in exported

    def test_the_host_may_hide_texts(self, app, counting, spans):
        redactor = app.extensions["crewexec_host"].redactor
        redactor(lambda text, goes: text.replace("a b c", f"<{goes}>"))
        counting()
        exported = "".join(span.to_json() for span in spans.ended)
        assert "<traced>" in spans.one("execute_tool count_words").attributes[ARGUMENTS]
        assert "a b c" not in exported

    def test_a_redactor_that_fails_hides_all(self, app, counting, spans):
        app.extensions["crewexec_host"].redactor(lambda text, goes: 1 / 0)
        assert counting() == "completed"
        assert spans.one("execute_tool count_words").attributes[RESULT] == "[withheld]"

    @pytest.mark.settings(TRACE_CONTENT=False)
    @pytest.mark.parametrize(("value", "is_on"), [("true", True), ("SPAN_ONLY", True), ("", False)])
    def test_the_standard_variable(self, counting, spans, monkeypatch, value, is_on):
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
        counting()
        assert (RESULT in spans.one("execute_tool count_words").attributes) == is_on
        assert ("THREE" in spans.named("chat gpt-4o-mini")[1].to_json()) == is_on


class TestOff:
    def test_nothing_is_stored_without_a_provider(self, api, model):
        id = api.queue(documents.chain("a"))
        assert column(id, "traceparent") is None
        assert run(id) == "completed"

    def test_crewai_sends_nothing_home(self, api, model):
        from crewai.telemetry.telemetry import Telemetry

        run(api.queue(documents.chain("a")))
        assert not Telemetry()._should_execute_telemetry()
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@pytest.mark.settings(REPUBLISH_AFTER=0.1)
def test_a_worker_that_is_traced_after_its_fork(
    api, environment, model, spans, tmp_path, redis_process, fork_server
):
    """The first message is lost, too."""
    exported = tmp_path / "spans.jsonl"
    variables = {**environment, "PYTHONPATH": str(TESTS), "SPANS": str(exported)}
    model.add(Rule(tool=("count_words", {"text": "a b"}), after_tool=False, times=1))
    id = queue_in_request(api, documents.chain("a", tools=("count_words",)))
    with redis_process.client() as redis:
        assert redis.delete(list_of(5)) == 1
    wait_until(lambda: cleanup.handle({"action": "reconcile"})["republished"], what="a new message")
    traced = {"app": "support.host_app.traced_worker", "fork_server": fork_server}
    with WorkerProcess(tmp_path, variables, **traced):
        assert api.ended(id)["status"] == "completed"
        wait_until(
            lambda: exported.exists() and "crewexec attempt" in exported.read_text(),
            what="the span of the attempt",
        )
    lines = [json.loads(line) for line in exported.read_text().splitlines()]
    names = [line["name"] for line in lines]
    assert names.count("chat gpt-4o-mini") == 2
    assert {"invoke_agent", "execute_tool count_words"} <= set(names)
    trace_id = f"0x{spans.one('request').context.trace_id:032x}"
    assert {line["context"]["trace_id"] for line in lines} == {trace_id}
