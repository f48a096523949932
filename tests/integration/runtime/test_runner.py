"""Attempts run by the real engine in this process, against the scripted model."""

from __future__ import annotations

import contextlib
import itertools
import threading
import typing as t
import uuid

import pytest
import sqlalchemy as sa

from flask_crewexec import graphs
from flask_crewexec.app_state import current_app_state
from flask_crewexec.services.async_execution_service import AsyncExecutionService
from flask_crewexec.statuses import ExecutionStatus
from flask_crewexec.storage import graph_cache
from flask_crewexec.tasks import execution
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import change
from support.servers.processes import wait_until

pytestmark = pytest.mark.libraries


def run(id, **event):
    return execution.handle({"execution_id": id, **event})["outcome"]


@contextlib.contextmanager
def running(app, id):
    """Run an execution in another thread; at the end, wait for it."""

    def work():
        with app.app_context():
            outcomes.append(run(id))

    outcomes: list[str] = []
    thread = threading.Thread(target=work)
    thread.start()
    yield outcomes
    thread.join(60)
    assert not thread.is_alive()


def notes(app):
    rows = app.extensions["sqlalchemy"].session.execute(
        sa.text("select text from note order by id")
    )
    return [row.text for row in rows]


class TestCompleting:
    def test_the_result_is_the_answer_of_the_model(self, api, model):
        model.on("Tell about tea", "Tea is a plant.")
        id = api.queue(documents.ONE_TASK, inputs={"topic": "tea"})
        assert run(id) == "completed"
        status = api.status(id)
        assert status["status"] == "completed"
        assert status["result"] == {"raw": "Tea is a plant.", "json": None}
        assert status["progress"]["fraction"] == 1
        assert len(model.calls) == 1

    def test_each_step_is_stored_with_its_usage(self, api, model):
        model.on("Do first", "one").on("Do second", "two")
        id = api.queue(documents.chain("first", "second"))
        run(id)
        steps = api.status(id)["steps"]
        assert [(s["name"], s["agent"], s["status"], s["output"]) for s in steps] == [
            ("first", "Writer", "completed", "one"),
            ("second", "Writer", "completed", "two"),
        ]
        assert [step["usage"]["llm_calls"] for step in steps] == [1, 1]
        total = sum(step["usage"]["total_tokens"] for step in steps)
        assert api.status(id)["usage"]["total_tokens"] == total > 0
        assert all(s["started_at"] <= s["finished_at"] for s in steps)

    def test_a_task_reads_the_tasks_that_point_at_it_and_no_others(self, api, model):
        model.on("Do a", "ALPHA").on("Do b", "BETA").on("Do c", "GAMMA")
        nodes = [
            documents.agent("w"),
            documents.task("a"),
            documents.task("b"),
            documents.task("c"),
        ]
        id = api.queue(documents.crew(nodes, ["w a", "w b", "w c", "a c"]))
        run(id)
        (call,) = model.calls_matching("Do c")
        assert "ALPHA" in call.prompt
        assert "BETA" not in call.prompt
        (call,) = model.calls_matching("Do b")
        assert "ALPHA" not in call.prompt

    def test_agents_with_the_same_model_are_counted_once(self, api, model):
        nodes = [
            documents.agent("x"),
            documents.agent("y"),
            documents.task("a"),
            documents.task("b"),
        ]
        id = api.queue(documents.crew(nodes, ["x a", "y b"]))
        run(id)
        assert api.status(id)["usage"]["llm_calls"] == len(model.calls) == 2

    def test_text_with_braces_and_no_inputs_reaches_the_model_as_it_is(self, api, model):
        nodes = [documents.agent("w"), documents.task("a", 'Answer as {"key": 1} or { }')]
        id = api.queue(documents.crew(nodes, ["w a"]))
        assert run(id) == "completed"
        assert '{"key": 1} or { }' in model.calls[0].prompt

    def test_an_input_cannot_reach_into_objects(self, api, model):
        nodes = [documents.agent("w"), documents.task("a", "Say {x.__class__} and {x}")]
        id = api.queue(documents.crew(nodes, ["w a"]), inputs={"x": "hello"})
        assert run(id) == "completed"
        assert "Say {x.__class__} and hello" in model.calls[0].prompt

    def test_the_events_record_the_run_in_order(self, api):
        id = api.queue(documents.chain("a"))
        run(id)
        assert api.event_types(id) == [
            "queued",
            "started",
            "step_started",
            "model_call_started",
            "model_call_completed",
            "step_completed",
            "completed",
        ]

    def test_a_streaming_model_gives_the_same_result(self, api, model):
        model.on("Do a", "word by word")
        id = api.queue(documents.chain("a", model="streaming"))
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "word by word"
        assert model.calls[0].body["stream"] is True
        assert api.status(id)["usage"]["total_tokens"] > 0

    def test_options_of_a_graph_reach_the_model(self, api, model):
        document = documents.chain("a", model="default")
        document["nodes"][-1]["data"] |= {"temperature": 0.25, "max_tokens": 77}
        run(api.queue(document))
        assert model.calls[0].body["temperature"] == 0.25
        assert model.calls[0].body["max_tokens"] == 77

    def test_long_outputs_are_truncated(self, app, api, model):
        limit = current_app_state().settings.max_output_chars
        model.on("Do a", "x" * (limit + 5))
        id = api.queue(documents.chain("a"))
        assert run(id) == "completed"
        assert len(api.status(id)["result"]["raw"]) == limit
        assert len(api.status(id)["steps"][0]["output"]) == limit


class TestTools:
    def test_a_tool_uses_the_hosts_data_of_the_right_user(self, app, api, model):
        model.add(Rule(tool=("write_note", {"text": "buy tea"}), after_tool=False, times=1))
        model.on(after_tool=True, reply="noted")
        id = api.queue(documents.chain("a", tools=("write_note",)))
        assert run(id) == "completed"
        assert notes(app) == ["ada: buy tea"]
        assert api.status(id)["usage"]["llm_calls"] == 2
        types = api.event_types(id)
        assert types.index("tool_started") < types.index("tool_finished")

    def test_arguments_and_defaults_of_a_tool_reach_the_model(self, api, model):
        run(api.queue(documents.chain("a", tools=("count_words",))))
        (tool,) = model.calls[0].body["tools"]
        assert tool["function"]["name"] == "count_words"
        assert "Count the words" in tool["function"]["description"]
        assert set(tool["function"]["parameters"]["properties"]) == {"text", "at_least"}

    def test_the_error_of_a_tool_is_sent_to_the_model(self, api, model):
        model.add(Rule(tool=("break_down", {}), after_tool=False, times=1))
        model.on(after_tool=True, reply="it broke")
        id = api.queue(documents.chain("a", tools=("break_down",)))
        assert run(id) == "completed"
        assert "tool_failed" in api.event_types(id)


@pytest.mark.settings(MAX_RETRIES=0)
class TestHierarchical:
    def hierarchical(self, manager):
        nodes = [manager, documents.agent("worker"), documents.task("a", "Do {what}")]
        edges = ["boss worker manager"]
        return documents.crew(nodes, edges, process="hierarchical")

    def test_an_agent_as_manager(self, api, model):
        model.on("Do the thing", "managed")
        document = self.hierarchical(documents.agent("boss", goal="Lead {what}"))
        id = api.queue(document, inputs={"what": "the thing"})
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "managed"
        assert "Lead the thing" in str(model.calls[0].body["messages"])

    def test_work_that_the_manager_delegates_counts_for_its_step(self, api, model):
        arguments = {"task": "dig", "context": "now", "coworker": "Worker"}
        model.add(Rule(tool=("delegate_work_to_coworker", arguments), after_tool=False, times=1))
        model.on("dig", "dug").on(after_tool=True, reply="all done")
        id = api.queue(self.hierarchical(documents.agent("boss")), inputs={"what": "it"})
        assert run(id) == "completed"
        (step,) = api.status(id)["steps"]
        assert step["usage"]["llm_calls"] == len(model.calls) == 3
        assert len(model.calls_matching("dig")) == 1

    def test_a_model_as_manager(self, api, model):
        model.on("Do it", "managed")
        boss = documents.named("boss", "llm", "default")
        id = api.queue(self.hierarchical(boss), inputs={"what": "it"})
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "managed"

    def test_one_failing_call_of_a_manager_is_one_call(self, api, model):
        model.add(Rule(status=500, times=1))
        boss = documents.named("boss", "llm", "default")
        id = api.queue(self.hierarchical(boss), inputs={"what": "it"})
        assert run(id) == "failed"
        assert len(model.calls) == 1


class TestOddTexts:
    def test_a_role_that_inputs_make_too_long_for_its_column(self, api, model):
        nodes = [documents.agent("w", role="Expert on {topic}"), documents.task("a")]
        id = api.queue(documents.crew(nodes, ["w a"]), inputs={"topic": "x" * 500})
        assert run(id) == "completed"
        assert len(api.status(id)["steps"][0]["agent"]) == 200

    @pytest.mark.parametrize("text", ["half \ud800 a character", "nul \x00 character"])
    def test_texts_that_a_database_may_refuse(self, api, model, text):
        model.on("Do a", text)
        id = api.queue(documents.chain("a", "b"))
        assert run(id) == "completed"
        assert api.status(id)["steps"][0]["output"].startswith(text[:4])

    def test_events_that_a_database_may_refuse(self, app, api, model):
        text = 'nul \x00, "quotes", \\u0000, {braces}, %s and é'
        app.extensions["crewexec_host"].tool("read_file")(_returns(text))
        model.add(Rule(tool=("read_file", {}), after_tool=False, times=1))
        id = api.queue(documents.chain("a", tools=("read_file",)))
        assert run(id) == "completed"
        events = api("GET", f"/executions/{id}/events").json["events"]
        (finished,) = (event for event in events if event["type"] == "tool_finished")
        assert finished["data"]["output"] == text


def _returns(text):
    def read_file() -> str:
        """Read a file."""
        return text

    return read_file


@pytest.mark.settings(MAX_RETRIES=0)
class TestFailing:
    @pytest.mark.sqlite_enough
    def test_a_run_waits_for_a_locked_database(self, app, api, model, caplog):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        id = api.queue(documents.chain("a", "b"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            with current_app_state().database.engine.connect() as connection:
                connection.execute(sa.text("BEGIN IMMEDIATE"))
                gate.set()
                model.wait_for_calls(1, outcome="answered")
                wait_until(lambda: "unavailable; retrying" in caplog.text, what="a retry")
                connection.rollback()
        assert outcomes == ["completed"]
        assert len(model.calls) == 2

    @pytest.mark.parametrize(
        ("rule", "code"),
        [
            (Rule(status=500), "model-unavailable"),
            (Rule(status=429, headers={"retry-after": "1"}), "model-rate-limited"),
            (Rule(status=401), "model-refused-key"),
            (Rule(status=404), "model-not-found"),
            (Rule(status=400), "model-refused-request"),
            (Rule(cut_after=0), "model-unreachable"),
            (Rule(malformed=True), "model-malformed-answer"),
        ],
    )
    def test_one_failing_call_is_one_call(self, api, model, rule, code):
        model.add(rule)
        id = api.queue(documents.chain("a", "b"))
        assert run(id) == "failed"
        status = api.status(id)
        assert (status["status"], status["error"]["code"]) == ("failed", code)
        assert status["error"]["step"] == "a"
        assert [step["status"] for step in status["steps"]] == ["failed", "pending"]
        assert len(model.calls) == 1

    def test_the_owner_sees_a_correlation_id_and_the_log_has_the_rest(self, api, model, caplog):
        model.on(status=500, reply="internal detail")
        id = api.queue(documents.chain("a"))
        run(id)
        status = api.status(id)
        assert "internal detail" not in str(status)
        assert "Traceback" not in str(status)
        record = next(r for r in caplog.records if status["error"]["correlation_id"] in r.message)
        assert record.exc_info
        assert "internal detail" in caplog.text

    def test_a_truncated_answer_is_a_failure(self, api, model):
        model.on("Do a", "this is not the whole answer", truncate_after=2)
        id = api.queue(documents.chain("a", "b", model="streaming"))
        assert run(id) == "failed"
        status = api.status(id)
        assert status["error"]["code"] == "model-cut-off"
        assert [step["status"] for step in status["steps"]] == ["failed", "pending"]

    @pytest.mark.settings(MAX_RETRIES=3)
    @pytest.mark.parametrize("kind", ["tool", "model"])
    def test_a_name_that_only_newer_workers_know(self, app, api, kind):
        id = api.queue(documents.chain("a", tools=("count_words",), model="streaming"))
        registry = current_app_state().registry
        known: dict[str, t.Any] = registry.tools if kind == "tool" else registry.llms
        name = "count_words" if kind == "tool" else "streaming"
        spec = known.pop(name)
        assert run(id) == "retrying"
        error = api.status(id)["error"]
        assert (error["code"], f"{kind} '{name}'" in error["message"]) == ("not-registered", True)
        known[name] = spec
        change(id, status="queued")
        assert run(id) == "completed"

    def test_a_stored_graph_that_cannot_be_read_any_more(self, api, model, monkeypatch):
        def parse(document):
            raise LookupError("odd")

        monkeypatch.setattr(graph_cache, "MAX_BYTES", 0)  # else the graph is known
        id = api.queue(documents.chain("a"))
        monkeypatch.setattr(graphs, "parse", parse)
        assert run(id) == "failed"
        status = api.status(id)
        assert (status["status"], status["error"]["code"]) == ("failed", "crew-failed")
        assert status["finished_at"]
        assert api.event_types(id)[-2:] == ["started", "failed"]
        assert run(id) == "not-claimed"
        assert not model.calls


class TestResuming:
    @pytest.mark.settings(MAX_RETRIES=0)
    def test_a_retry_does_not_repeat_completed_steps(self, api, model):
        model.on("Do b", status=500, times=1)
        model.on("Do a", "ALPHA").on("Do b", "BETA").on("Do c", "GAMMA")
        id = api.queue(documents.chain("a", "b", "c"))
        assert run(id) == "failed"
        assert api.status(id)["progress"]["finished_steps"] == 1
        api("POST", f"/executions/{id}/retry")
        assert run(id) == "completed"
        status = api.status(id)
        assert status["result"]["raw"] == "GAMMA"
        assert status["error"] is None
        assert [step["output"] for step in status["steps"]] == ["ALPHA", "BETA", "GAMMA"]
        assert len(model.calls_matching("Do a")) == 1
        assert len(model.calls_matching("Do b")) == 2
        assert "ALPHA" in model.calls_matching("Do b")[1].prompt
        assert status["usage"]["llm_calls"] == len(model.calls) == 4

    def test_an_execution_whose_steps_are_all_completed_can_resume(self, app, api, model):
        model.on("Do a", "ALPHA").on("Do b", "BETA")
        id = api.queue(documents.chain("a", "b"))
        run(id)
        mark_failed(app, id)
        api("POST", f"/executions/{id}/retry")
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "BETA"
        assert len(model.calls) == 2


def mark_failed(app, id):
    """Make an execution look as if its worker had died between the last step and the end."""
    execution_model = current_app_state().models.execution
    with current_app_state().database.write_transaction() as session:
        row = session.query(execution_model).one()
        row.status, row.result = ExecutionStatus.FAILED, None


class TestCancelling:
    @pytest.mark.settings(LEASE_SECONDS=100, POLL_INTERVAL=20)
    def test_takes_effect_before_the_next_call(self, app, api, model):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        id = api.queue(documents.chain("a", "b", "c"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            assert api.status(id)["status"] == "running"
            assert api("POST", f"/executions/{id}/cancel").status_code == 202
            gate.set()
        assert outcomes == ["cancelled"]
        status = api.status(id)
        assert status["status"] == "cancelled"
        assert status["finished_at"]
        assert len(model.calls) == 1
        assert [step["status"] for step in status["steps"]] == ["completed", "cancelled", "pending"]
        assert status["steps"][0]["output"] == "ALPHA"
        assert api.event_types(id)[-1] == "cancelled"

    def test_takes_effect_after_a_tool(self, app, api, model, tmp_path):
        path = tmp_path / "go"
        model.add(Rule(tool=("wait_for_file", {"path": str(path)}), after_tool=False))
        id = api.queue(documents.chain("a", tools=("wait_for_file",)))
        with running(app, id) as outcomes:
            model.wait_for_calls(1, outcome="answered")
            api("POST", f"/executions/{id}/cancel")
            path.touch()
        assert outcomes == ["cancelled"]
        assert len(model.calls) == 1

    def test_a_late_message_finds_nothing_to_run(self, api, model):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        assert run(id, attempt=1) == "not-claimed"
        assert model.calls == ()

    def test_an_ended_execution_cannot_be_cancelled(self, api):
        id = api.queue(documents.chain("a"))
        run(id)
        answer = api("POST", f"/executions/{id}/cancel")
        assert (answer.status_code, answer.json["code"]) == (409, "wrong-state")
        assert AsyncExecutionService().cancel_task(id) is False
        assert api.status(id)["cancellation"] is None


class TestClaiming:
    def test_a_duplicate_message_runs_once(self, api, model):
        id = api.queue(documents.chain("a"))
        assert run(id, attempt=1) == "completed"
        assert run(id, attempt=1) == "not-claimed"
        assert len(model.calls) == 1

    def test_a_message_for_an_outdated_attempt_runs_nothing(self, api, model):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        api("POST", f"/executions/{id}/retry")
        assert run(id, attempt=1) == "not-claimed"
        assert run(id, attempt=2) == "completed"
        assert len(model.calls) == 1

    def test_only_one_of_many_workers_claims_the_attempt(self, app, api, model):
        gate = threading.Event()
        model.on("Do a", hold=gate)
        id = api.queue(documents.chain("a"))
        with contextlib.ExitStack() as stack:
            outcomes = [stack.enter_context(running(app, id)) for _ in range(4)]
            model.wait_for_calls(1)
            gate.set()
        assert sorted(itertools.chain(*outcomes)) == ["completed"] + 3 * ["not-claimed"]
        assert len(model.calls) == 1

    def test_a_run_without_a_valid_lease_writes_nothing_and_makes_no_call(self, app, api, model):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        id = api.queue(documents.chain("a", "b"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            steal(app)
            gate.set()
        assert outcomes == ["lease-lost"]
        status = api.status(id)
        assert status["status"] == "running"
        assert [step["status"] for step in status["steps"]] == ["running", "pending"]
        assert len(model.calls) == 1


def steal(app):
    """Give the execution to another worker."""
    model = current_app_state().models.execution
    with current_app_state().database.write_transaction() as session:
        session.query(model).one().token = uuid.uuid4()
