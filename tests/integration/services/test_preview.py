"""Validation as a service, and orders that are only checked."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from support.api_client import problem
from support.graphs import documents

pytestmark = pytest.mark.sqlite_enough
TOPIC = {"topic": "tea"}


def counts():
    """Rows of each table of ours."""
    with current_app_state().database.read_session() as session:
        return {
            model.__tablename__: session.scalar(sa.select(sa.func.count()).select_from(model))
            for model in current_app_state().models
        }


@pytest.fixture
def unchanged(app, redis_process):
    """Checks at the end that nothing was stored or sent since ``unchanged()`` was called."""
    before = []

    def messages():
        with redis_process.client() as client:
            return {key for key in client.scan_iter("crew_execution*")}

    def remember():
        before.append((counts(), messages()))

    yield remember
    assert before == [(counts(), messages())]


@pytest.fixture
def check(api):
    def check(order, **options):
        return api("POST", "/executions/preview", json=order, **options)

    return check


class TestPreview:
    def test_tells_what_would_be_queued_and_queues_nothing(self, api, check, unchanged):
        graph = api.graph(documents.ONE_TASK)
        order = {"graph_id": graph, "inputs": TOPIC, "priority": 2, "thread_id": "t"}
        unchanged()
        answer = check({**order, "max_llm_calls": 9}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 200
        assert answer.json == {
            **order,
            "execution_id": None,
            "graph_name": "test crew",
            "graph_version": 1,
            "user_id": "ada",
            "limits": {
                "timeout": 14400,
                "max_llm_calls": 9,
                "max_tool_calls": 2000,
                "max_tokens": None,
            },
            "order": ["tell"],
            "model_calls": {"lower": 1, "upper": 9},
        }

    def test_answers_as_described(self, api, check):
        components = api("GET", "/openapi.json").json["components"]["schemas"]
        answer = check({"graph_id": api.graph(documents.chain("a"))})
        assert answer.json.keys() == components["ExecutionPreview"]["properties"].keys()

    @pytest.mark.settings(MAX_TOKENS=100)
    @pytest.mark.parametrize(
        ("order", "status", "code"),
        [
            ({"inputs": {}}, 422, "invalid-inputs"),
            ({"inputs": {"topic": "x" * 300_000}}, 422, "invalid-inputs"),
            ({"priority": 11}, 422, "invalid-request"),
            ({"max_tokens": 101}, 422, "invalid-request"),
            ({"thread_id": "a\x00"}, 422, "invalid-request"),
            ({"unknown": 1}, 422, "invalid-request"),
        ],
    )
    def test_refuses_what_queueing_refuses(self, api, check, unchanged, order, status, code):
        order = {"graph_id": api.graph(documents.ONE_TASK), "inputs": TOPIC, **order}
        unchanged()
        refused = problem(check(order), status, code)
        queueing = problem(api("POST", "/executions", json=order), status, code)
        assert queueing == {**refused, "instance": "/crewexec/executions"}

    def test_a_tool_that_is_no_longer_registered(self, app, api, check):
        graph = api.graph(documents.chain("a", tools=("count_words",)))
        del current_app_state().registry.tools["count_words"]
        problem(check({"graph_id": graph}), 422, "invalid-graph")

    def test_a_strangers_graph_does_not_exist(self, api, stranger):
        order = {"graph_id": api.graph(documents.chain("a"))}
        answer = stranger("POST", "/executions/preview", json=order)
        problem(answer, 404, "not-found")

    def test_anonymous_requests_are_refused(self, client):
        answer = client.post("/crewexec/executions/preview", json={})
        problem(answer, 401, "unauthorized")

    def test_a_key_that_was_used_for_another_order(self, api, check, unchanged):
        key = {"Idempotency-Key": "k"}
        order = {"graph_id": api.graph(documents.ONE_TASK), "inputs": TOPIC}
        placed = api("POST", "/executions", json=order, headers=key).json["id"]
        api("PUT", f"/graphs/{order['graph_id']}", json=documents.chain("a", "b"))
        unchanged()
        same = check(order, headers=key).json
        assert (same["execution_id"], same["graph_version"]) == (placed, 1)
        assert same["order"] == ["tell"]
        other = check({**order, "priority": 1}, headers=key)
        problem(other, 422, "idempotency-key-reused")

    @pytest.mark.parametrize("query", ["dry_run=true", "preview=true"])
    def test_a_slip_queues_nothing(self, api, unchanged, query):
        order = {"graph_id": api.graph(documents.chain("a"))}
        unchanged()
        problem(api("POST", f"/executions?{query}", json=order), 422, "invalid-request")
