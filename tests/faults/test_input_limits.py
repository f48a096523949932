"""What users and models may not do, seen from outside: sizes, and texts that try to reach objects.

The limits of graph documents and of imports: ``tests/unit/graphs/test_graph_hardening.py``.
The dashboard: ``tests/integration/dashboard/test_browser.py``.
"""

from __future__ import annotations

import json
import uuid

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from support.api_client import problem
from support.graphs import documents
from support.in_process import run

pytestmark = pytest.mark.sqlite_enough

ODD = "{topic.__class__} {topic.__init__.__globals__} {topic[0]} {topic!r} {topic:>99} {0} {} {{ }}"


def order(api, document, **more):
    return api("POST", "/executions", json={"graph_id": api.graph(document), **more})


class TestPlaceholders:
    def test_reach_no_objects(self, api, model):
        document = documents.crew(
            [documents.agent("a"), documents.task("t", f"{ODD} {{topic}}")], ["a t"]
        )
        id = api.queue(document, inputs={"topic": "tea"})
        assert run(id) == "completed"
        (call,) = model.calls
        assert f"{ODD} tea" in call.prompt

    def test_are_filled_in_once(self, api, model):
        nodes = [documents.agent("a"), documents.task("t", "One {topic} two {other}")]
        inputs = {"topic": "{other} {topic.__class__}", "other": "{topic}"}
        id = api.queue(documents.crew(nodes, ["a t"]), inputs=inputs)
        assert run(id) == "completed"
        (call,) = model.calls
        assert "One {other} {topic.__class__} two {topic}" in call.prompt

    def test_in_what_a_model_says_are_words(self, api, model):
        model.on("Do a", "{topic} {topic.__class__}")
        nodes = [
            documents.agent("w"),
            documents.task("a", "Do a"),
            documents.task("b", "Do b {topic}"),
        ]
        id = api.queue(documents.crew(nodes, ["w a", "w b", "a b"]), inputs={"topic": "tea"})
        assert run(id) == "completed"
        _, second = model.calls
        assert "Do b tea" in second.prompt
        assert "{topic} {topic.__class__}" in second.prompt


class TestSizes:
    @pytest.mark.settings(MAX_BODY_BYTES=3000)
    @pytest.mark.parametrize("path", ["/graphs", "/graphs/validate", "/graphs/import"])
    def test_of_bodies(self, api, path):
        told = problem(api("POST", path, json={"x": "y" * 3000}), 413, "request-entity-too-large")
        assert told["title"]
        assert api("POST", path, json={"x": "y" * 100}).status_code != 413

    @pytest.mark.settings(MAX_INPUTS_BYTES=1000)
    def test_of_inputs(self, api):
        frame = len(json.dumps({"topic": ""}))
        for size, status in ((1000, 202), (1001, 422)):
            answer = order(api, documents.ONE_TASK, inputs={"topic": "x" * (size - frame)})
            assert answer.status_code == status
        assert [error["pointer"] for error in answer.json["errors"]] == ["/inputs"]
        assert "1000 bytes" in answer.json["detail"]

    def test_of_inputs_that_a_text_uses_again_and_again(self, api):
        nodes = [documents.agent("a"), documents.task("t", "{x}" * 6000)]
        document = documents.crew(nodes, ["a t"])
        for length, status in ((600, 202), (700, 422), (200_000, 422)):
            answer = order(api, document, inputs={"x": "y" * length})
            assert answer.status_code == status
        (error,) = answer.json["errors"]
        assert (error["pointer"], error["code"]) == ("/inputs", "too-large")
        assert "4000000 are allowed" in error["detail"]

    @pytest.mark.parametrize(("field", "most"), [("thread_id", 255), ("Idempotency-Key", 255)])
    def test_of_names_that_orders_bring(self, api, field, most):
        graph_id = api.graph(documents.chain("a"))
        for length, status in ((most, 202), (most + 1, 422)):
            body = {"graph_id": graph_id}
            headers: dict[str, str] = {}
            (headers if field[0].isupper() else body)[field] = "x" * length
            assert api("POST", "/executions", json=body, headers=headers).status_code == status

    @pytest.mark.settings(MAX_OUTPUT_CHARS=100)
    def test_of_outputs(self, api, model):
        model.on("Do a", "x" * 5000).on("Do b", "y" * 5000)
        id = api.queue(documents.chain("a", "b"))
        assert run(id) == "completed"
        status = api.status(id)
        outputs = [step["output"] for step in status["steps"]]
        assert [len(output) for output in [*outputs, status["result"]["raw"]]] == [100] * 3

    @pytest.mark.settings(MAX_EVENT_CHARS=100)
    def test_of_events(self, api, model):
        model.on("Do a", tool=("say", {"text": "z" * 5000}), after_tool=False)
        model.on(after_tool=True, reply="y" * 5000)
        id = api.queue(documents.chain("a", tools=("say",)))
        assert run(id) == "completed"
        events = api("GET", f"/executions/{id}/events?limit=200").json["events"]
        assert "tool_finished" in {event["type"] for event in events}
        assert max(len(json.dumps(event["data"])) for event in events) < 1000

    def test_of_roles_that_inputs_make_long(self, api, model):
        model.on("Do a", tool=("say", {"text": "z"}), after_tool=False)
        model.on(after_tool=True, reply="y")
        document = documents.with_data(documents.chain("a", tools=("say",)), "writer", role="{who}")
        id = api.queue(document, inputs={"who": "w" * 50_000})
        assert run(id) == "completed"
        events = api("GET", f"/executions/{id}/events?limit=200").json["events"]
        assert {"model_call_completed", "tool_finished"} <= {event["type"] for event in events}
        assert max(len(json.dumps(event["data"])) for event in events) < 1000
        assert len(json.dumps(output_of(id))) < 1000

    def test_of_what_tools_failed_at(self, api, model):
        model.on("Do a", tool=("say", {"wrong": "z" * 50_000}), after_tool=False, times=1)
        model.on(after_tool=True, reply="y")
        id = api.queue(documents.chain("a", tools=("say",)))
        assert run(id) == "completed"
        assert len(json.dumps(output_of(id))) < 1000


def output_of(id: str) -> object:
    """Return all that is kept of the first step's answer."""
    step = current_app_state().models.step
    with current_app_state().database.read_session() as session:
        return session.scalars(
            sa.select(step.output).where(step.execution_id == uuid.UUID(id), step.position == 0)
        ).one()


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self._path, "w")


class TestPickles:
    def test_in_messages_are_not_read(self, app, api, model, start_worker, tmp_path):
        canary = tmp_path / "unpickled"
        worker = start_worker(pool="threads")
        with app.extensions["celery"].connection_for_write() as connection:
            connection.Producer().publish(
                ((), {"event": Bomb(str(canary))}, {}),
                routing_key="crew_execution",
                serializer="pickle",
                headers={"task": "crewexec.execution", "id": "1", "lang": "py"},
            )
        status = api.ended(api.queue(documents.chain("a")))
        assert status["status"] == "completed"
        assert not canary.exists()
        assert "Refusing to deserialize" in worker.log_text()
