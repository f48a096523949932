"""Validation as a service, and orders that are only checked."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.testing import Rule
from support.api_client import problem
from support.graphs import documents
from support.in_process import run

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
        return api("POST", "/executions?dry_run=true", json=order, **options)

    return check


class TestDryRun:
    def test_tells_what_would_be_queued_and_queues_nothing(self, api, check, unchanged):
        graph = api.graph(documents.ONE_TASK)
        order = {"graph_id": graph, "inputs": TOPIC, "priority": 2, "thread_id": "t"}
        unchanged()
        answer = check({**order, "max_llm_calls": 9}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 200
        assert answer.json == {
            **order,
            "execution_id": None,
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
        assert answer.json.keys() == components["DryRun"]["properties"].keys()

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
        assert problem(api("POST", "/executions", json=order), status, code) == refused

    def test_a_tool_that_is_no_longer_registered(self, app, api, check):
        graph = api.graph(documents.chain("a", tools=("count_words",)))
        del current_app_state().registry.tools["count_words"]
        problem(check({"graph_id": graph}), 422, "invalid-graph")

    def test_a_strangers_graph_does_not_exist(self, api, stranger):
        order = {"graph_id": api.graph(documents.chain("a"))}
        answer = stranger("POST", "/executions?dry_run=true", json=order)
        problem(answer, 404, "not-found")

    def test_anonymous_requests_are_refused(self, client):
        answer = client.post("/crewexec/executions?dry_run=true", json={})
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

    @pytest.mark.parametrize("query", ["dry_run=maybe", "dryrun=true"])
    def test_a_slip_queues_nothing(self, api, unchanged, query):
        order = {"graph_id": api.graph(documents.chain("a"))}
        unchanged()
        problem(api("POST", f"/executions?{query}", json=order), 422, "invalid-request")

    def test_false_queues(self, api):
        order = {"graph_id": api.graph(documents.chain("a"))}
        assert api("POST", "/executions?dry_run=false", json=order).status_code == 202


class TestValidation:
    def test_tells_inputs_order_and_model_calls(self, api):
        nodes = [
            documents.agent("w", max_iter=4),
            documents.task("b", "{y}"),
            documents.task("a", "{x}"),
        ]
        answer = api("POST", "/graphs/validate", json=documents.crew(nodes, ["w a", "w b", "a b"]))
        assert answer.json["inputs"] == ["x", "y"]
        assert answer.json["inputs_schema"]["required"] == ["x", "y"]
        assert answer.json["order"] == ["a", "b"]
        assert answer.json["model_calls"] == {"lower": 2, "upper": 10}

    def test_each_problem_has_a_hint(self, api):
        bad = documents.chain("a", tools=("count_word",))
        bad["nodes"][0]["data"]["role"] = ""
        tools = [f'"{name}"' for name in sorted(current_app_state().registry.tools)]
        answer = api("POST", "/graphs/validate", json=bad).json
        assert [p["hint"] for p in answer["problems"]] == [
            'For example "role": "Writer".',
            f'Did you mean "count_words"? The tools are {", ".join(tools)}.',
        ]
        assert (answer["inputs_schema"], answer["order"], answer["model_calls"]) == (None, [], None)

    def test_answers_as_described(self, api):
        schemas = api("GET", "/openapi.json").json["components"]["schemas"]
        for document in (documents.ONE_TASK, {}):
            answer = api("POST", "/graphs/validate", json=document).json
            assert answer.keys() == schemas["Validation"]["properties"].keys()


class TestEstimate:
    """The engine keeps within what was told."""

    def run(self, api, document):
        told = api("POST", "/graphs/validate", json=document).json["model_calls"]
        assert run(api.queue(document)) == "completed"
        return told

    def test_an_agent_that_never_comes_to_an_end(self, api, model):
        model.add(Rule(when="absolute best final answer", reply="done"))
        model.add(Rule(tool=("count_words", {"text": "a"})))
        nodes = [
            documents.agent("w", max_iter=3),
            documents.task("a"),
            documents.named("count_words", "tool"),
        ]
        document = documents.crew(nodes, ["w a", "count_words w"])
        assert self.run(api, document)["upper"] == len(model.calls) == 4

    def test_an_agent_that_answers_at_once(self, api, model):
        model.on(reply="done")
        assert self.run(api, documents.chain("a", "b"))["lower"] == len(model.calls) == 2
