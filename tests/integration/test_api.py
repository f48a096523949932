"""The HTTP routes, with a real broker and each kind of database, and no worker."""

from __future__ import annotations

import json
import uuid

import pytest

import crews

pytestmark = pytest.mark.integration

TOPIC = {"topic": "tea"}
NOBODYS = uuid.UUID(int=7 << 76 | 2 << 62)


def problem(answer, status, code):
    """Check that *answer* is a problem document, and return it."""
    assert answer.status_code == status, answer.json
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == code
    assert answer.json["status"] == status
    return answer.json


def pointers(body):
    return [error["pointer"] for error in body["errors"]]


def row_count(app):
    models = app.extensions["crewexec"].models
    session = app.extensions["sqlalchemy"].session
    counts = [session.query(model).count() for model in (models.execution, models.event)]
    session.rollback()
    return sum(counts)


class TestQueueing:
    def test_answers_with_the_address_to_watch(self, api):
        graph = api.graph(crews.ONE_TASK)
        answer = api("POST", "/executions", json={"graph_id": graph, "inputs": TOPIC})
        assert answer.status_code == 202
        assert answer.headers["Location"].endswith(f"/crewexec/executions/{answer.json['id']}")
        assert answer.headers["Retry-After"]
        assert api.status(answer.json["id"])["status"] == "queued"

    def test_stores_what_was_asked_for(self, api):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC, priority=2, thread_id="t-1")
        status = api.status(id)
        assert status["priority"] == 2
        assert status["inputs"] == TOPIC
        assert status["thread_id"] == "t-1"
        assert status["user_id"] == "ada"
        assert status["progress"] == {
            "fraction": 0,
            "finished_steps": 0,
            "total_steps": 1,
            "current_step": None,
            "current_agent": None,
        }

    def test_sends_a_message_that_names_no_more_than_the_attempt(self, api, redis_process):
        secret = "the secret ingredient"
        id = api.queue(crews.ONE_TASK, inputs={"topic": secret}, priority=3)
        with redis_process.client() as client:
            (message,) = client.lrange("crew_execution:2", 0, -1)
        assert id in message
        assert secret not in message
        assert json.loads(message)["headers"]["task"] == "crewexec.execution"

    @pytest.mark.parametrize("priority", range(1, 11))
    def test_every_priority_has_a_level_of_its_own(self, api, priority):
        api.queue(crews.ONE_TASK, inputs=TOPIC, priority=priority)
        depths = api("GET", "/queues").json["queues"]["crew_execution"]
        assert {level: depth for level, depth in depths.items() if depth} == {str(priority): 1}

    def test_waits_no_longer_than_asked_for(self, api):
        graph = api.graph(crews.ONE_TASK)
        order = {"graph_id": graph, "inputs": TOPIC}
        answer = api("POST", "/executions", json=order, headers={"Prefer": "wait=1"})
        assert answer.json["status"] == "queued"


class TestBadOrders:
    @pytest.fixture
    def order(self, api):
        return {"graph_id": api.graph(crews.ONE_TASK), "inputs": TOPIC}

    @pytest.fixture(autouse=True)
    def _leaves_no_row(self, app, order):
        yield
        assert row_count(app) == 0

    def refused(self, api, order, status, code):
        return problem(api("POST", "/executions", json=order), status, code)

    @pytest.mark.parametrize("priority", [0, 11, -1, 1.5, "5", True, None])
    def test_priority_out_of_range(self, api, order, priority):
        body = self.refused(api, {**order, "priority": priority}, 422, "invalid-request")
        assert pointers(body) == ["/priority"]

    def test_unknown_field(self, api, order):
        body = self.refused(api, {**order, "colour": "red"}, 422, "invalid-request")
        assert pointers(body) == ["/colour"]

    def test_no_graph(self, api):
        body = self.refused(api, {"inputs": TOPIC}, 422, "invalid-request")
        assert pointers(body) == ["/graph_id"]

    def test_unknown_graph(self, api, order):
        id = str(uuid.uuid4())
        body = self.refused(api, {**order, "graph_id": id}, 404, "not-found")
        assert id in body["detail"]

    def test_a_strangers_graph(self, stranger, order):
        self.refused(stranger, order, 404, "not-found")

    def test_missing_input(self, api, order):
        body = self.refused(api, {**order, "inputs": {"tropic": "x"}}, 422, "invalid-inputs")
        assert pointers(body) == ["/inputs/topic"]
        assert "topic" in body["errors"][0]["detail"]

    def test_inputs_that_are_no_object(self, api, order):
        body = self.refused(api, {**order, "inputs": ["tea"]}, 422, "invalid-request")
        assert pointers(body) == ["/inputs"]

    def test_inputs_of_a_megabyte(self, api, order):
        inputs = {"topic": "x" * 900_000}
        body = self.refused(api, {**order, "inputs": inputs}, 422, "invalid-inputs")
        assert pointers(body) == ["/inputs"]

    def test_a_body_over_a_megabyte(self, api, order):
        inputs = {"topic": "x" * 1_100_000}
        self.refused(api, {**order, "inputs": inputs}, 413, "request-entity-too-large")

    def test_infinite_numbers(self, api, order):
        data = json.dumps({**order, "inputs": {"topic": float("inf")}})
        answer = api("POST", "/executions", data=data, content_type="application/json")
        assert pointers(problem(answer, 422, "invalid-inputs")) == ["/inputs"]

    def test_half_a_character(self, api, order):
        data = json.dumps({**order, "inputs": {"topic": "\ud800"}})
        answer = api("POST", "/executions", data=data, content_type="application/json")
        assert pointers(problem(answer, 422, "invalid-inputs")) == ["/inputs"]

    @pytest.mark.parametrize("data", [b"{", b"", b"\xff", b"[" * 100_000, b'{"a": 1' + b"0" * 5000])
    def test_a_body_that_is_no_json(self, api, order, data):
        answer = api("POST", "/executions", data=data, content_type="application/json")
        if data:
            problem(answer, 400, "malformed-json")
        else:
            problem(answer, 422, "invalid-request")

    @pytest.mark.parametrize("data", [b"1", b"[]", b'"x"', b"null"])
    def test_json_that_is_no_object(self, api, order, data):
        answer = api("POST", "/executions", data=data, content_type="application/json")
        problem(answer, 422, "invalid-request")

    def test_a_form(self, api, order):
        problem(api("POST", "/executions", data=order), 415, "unsupported-media-type")

    def test_a_thread_id_with_control_characters(self, api, order):
        body = self.refused(api, {**order, "thread_id": "a\x00b"}, 422, "invalid-request")
        assert pointers(body) == ["/thread_id"]


class TestIdentity:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/executions"),
            ("POST", "/executions"),
            ("GET", f"/executions/{NOBODYS}"),
            ("POST", f"/executions/{NOBODYS}/cancel"),
            ("GET", "/graphs"),
            ("POST", "/graphs/validate"),
            ("GET", "/queues"),
            ("GET", "/openapi.json"),
        ],
    )
    def test_nobody_gets_in(self, client, method, path):
        problem(client.open(f"/crewexec{path}", method=method), 401, "unauthorized")

    def test_health_needs_none(self, client):
        assert client.get("/crewexec/health/live").json == {"status": "ok"}

    def test_a_strangers_execution_does_not_exist(self, api, stranger):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC)
        for method, path in [
            ("GET", ""),
            ("GET", "/events"),
            ("POST", "/cancel"),
            ("POST", "/retry"),
        ]:
            answer = stranger(method, f"/executions/{id}{path}")
            problem(answer, 404, "not-found")
        assert stranger("GET", "/executions").json["executions"] == []
        assert api.status(id)["status"] == "queued"

    def test_a_strangers_graph_does_not_exist(self, api, stranger):
        id = api.graph(crews.ONE_TASK)
        problem(stranger("GET", f"/graphs/{id}"), 404, "not-found")
        problem(stranger("PUT", f"/graphs/{id}", json=crews.ONE_TASK), 404, "not-found")
        problem(stranger("DELETE", f"/graphs/{id}"), 404, "not-found")
        assert stranger("GET", "/graphs").json["graphs"] == []

    def test_an_administrator_sees_and_cancels_everything(self, api, admin):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC)
        assert [e["id"] for e in admin("GET", "/executions").json["executions"]] == [id]
        assert admin("POST", f"/executions/{id}/cancel").status_code == 202
        assert api.status(id)["cancellation"]["by"] == "admin"

    def test_unknown_urls_stay_the_hosts(self, api):
        assert api("GET", "/nonsense").content_type.startswith("text/html")


class TestLists:
    def test_pages_follow_each_other_without_gap_or_repeat(self, api):
        graph = api.graph(crews.ONE_TASK)
        order = {"graph_id": graph, "inputs": TOPIC}
        ids = [api("POST", "/executions", json=order).json["id"] for _ in range(5)]
        seen, query = [], "limit=2"
        while query:
            page = api("GET", f"/executions?{query}").json
            seen += [execution["id"] for execution in page["executions"]]
            query = page["next"] and f"limit=2&before={page['next']}"
        assert seen == ids[::-1]

    def test_filters(self, api):
        first = api.queue(crews.ONE_TASK, inputs=TOPIC, thread_id="one")
        second = api.queue(crews.ONE_TASK, inputs=TOPIC, thread_id="two")
        api("POST", f"/executions/{first}/cancel")
        graph = api.status(second)["graph_id"]

        def found(query):
            return [e["id"] for e in api("GET", f"/executions?{query}").json["executions"]]

        assert found("status=cancelled") == [first]
        assert found("status=queued") == [second]
        assert found("thread_id=one") == [first]
        assert found(f"graph_id={graph}") == [second]
        assert found("status=queued&thread_id=one") == []

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=201", "limit=x", "before=x", "status=asleep", "page=2"]
    )
    def test_bad_queries_are_named(self, api, query):
        body = problem(api("GET", f"/executions?{query}"), 422, "invalid-request")
        assert pointers(body) == ["/" + query.partition("=")[0]]


class TestGraphs:
    def test_a_change_is_a_new_version_and_the_old_one_stays(self, api):
        id = api.graph(crews.ONE_TASK)
        changed = {**crews.ONE_TASK, "name": "renamed"}
        answer = api("PUT", f"/graphs/{id}", json=changed)
        assert (answer.json["version"], answer.json["name"]) == (2, "renamed")
        assert api("GET", f"/graphs/{id}").json["document"] == changed
        first = api("GET", f"/graphs/{id}?version=1").json
        assert (first["version"], first["document"]) == (1, crews.ONE_TASK)
        problem(api("GET", f"/graphs/{id}?version=3"), 404, "not-found")

    def test_an_execution_keeps_its_version(self, api):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC)
        graph = api.status(id)["graph_id"]
        api("PUT", f"/graphs/{graph}", json=crews.chain("a", "b"))
        assert api.status(id)["graph_version"] == 1

    def test_a_deleted_graph_is_gone_but_its_executions_stay(self, api):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC)
        graph = api.status(id)["graph_id"]
        assert api("DELETE", f"/graphs/{graph}").status_code == 204
        problem(api("GET", f"/graphs/{graph}"), 404, "not-found")
        problem(api("POST", "/executions", json={"graph_id": graph}), 404, "not-found")
        assert api("GET", "/graphs").json["graphs"] == []
        assert api.status(id)["status"] == "queued"

    def test_a_bad_graph_is_refused_with_all_its_problems(self, api):
        nodes = [crews.agent("writer"), crews.task("a"), crews.task("b"), crews.task("lost")]
        document = crews.crew(nodes, ["writer a", "writer b", "a b", "b a"])
        body = problem(api("POST", "/graphs", json=document), 422, "invalid-graph")
        codes = {error["code"] for error in body["errors"]}
        assert codes >= {"task-without-agent"}
        assert any("cycl" in code for code in codes)
        assert all(error["pointer"].startswith("/") for error in body["errors"])
        assert api("GET", "/graphs").json["graphs"] == []

    @pytest.mark.parametrize("document", [None, 1, "x", [], {}, {"version": 2}])
    def test_anything_else_is_refused_too(self, api, document):
        data = json.dumps(document)
        answer = api("POST", "/graphs", data=data, content_type="application/json")
        problem(answer, 422, "invalid-graph")

    def test_validation_says_what_is_missing(self, api):
        good = api("POST", "/graphs/validate", json=crews.ONE_TASK).json
        assert good == {"valid": True, "problems": [], "inputs": ["topic"]}
        document = crews.chain("a", tools=("teleport",))
        bad = api("POST", "/graphs/validate", json=document).json
        assert bad["valid"] is False
        assert [p["code"] for p in bad["problems"]] == ["unknown-tool"]
        assert "count_words" in bad["problems"][0]["detail"]


class TestCancelAndRetry:
    def test_a_queued_execution_is_cancelled_at_once(self, api):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC)
        answer = api("POST", f"/executions/{id}/cancel", json={"reason": "too dear"})
        assert answer.status_code == 202
        assert answer.json["status"] == "cancelled"
        assert answer.json["cancellation"]["reason"] == "too dear"
        assert answer.json["cancellation"]["by"] == "ada"
        assert api.event_types(id) == ["queued", "cancelled"]

    def test_cancelling_twice_changes_nothing(self, api):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC)
        first = api("POST", f"/executions/{id}/cancel", json={"reason": "one"}).json
        second = api("POST", f"/executions/{id}/cancel", json={"reason": "two"})
        assert second.status_code == 202
        assert second.json["cancellation"] == first["cancellation"]

    def test_a_cancelled_execution_can_be_tried_again(self, api):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC, priority=4)
        api("POST", f"/executions/{id}/cancel")
        answer = api("POST", f"/executions/{id}/retry")
        assert answer.status_code == 202
        assert (answer.json["status"], answer.json["attempt"]) == ("queued", 2)
        assert answer.json["cancellation"] is None
        assert api("GET", "/queues").json["queues"]["crew_execution"]["4"] == 2

    def test_a_queued_execution_cannot_be_tried_again(self, api):
        id = api.queue(crews.ONE_TASK, inputs=TOPIC)
        problem(api("POST", f"/executions/{id}/retry"), 409, "wrong-state")


class TestHealth:
    def test_not_ready_without_workers(self, api):
        answer = api("GET", "/health/ready")
        assert answer.status_code == 503
        assert answer.json["checks"] == {
            "database": "ok",
            "broker": "ok",
            "workers:crew_execution": "no worker",
            "workers:cleanup": "no worker",
        }
