"""The HTTP routes, with a real broker and each kind of database, and no worker."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid

import pytest
import sqlalchemy as sa
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import TooManyRequests
from werkzeug.exceptions import Unauthorized

from flask_crewexec import AsyncExecutionService
from flask_crewexec.app_state import current_app_state
from flask_crewexec.web import problems
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.message_lists import list_of

pytestmark = pytest.mark.libraries

TOPIC = {"topic": "tea"}
NOBODYS = uuid.UUID(int=7 << 76 | 2 << 62)


def pointers(body):
    return [error["pointer"] for error in body["errors"]]


def row_count(app):
    models = app.extensions["crewexec"].models
    session = app.extensions["sqlalchemy"].session
    counts = [session.query(model).count() for model in (models.execution, models.event)]
    session.rollback()
    return sum(counts)


@contextlib.contextmanager
def statements(app):
    """A list that collects the SQL that *app* sends."""
    sent = []
    engine = app.extensions["sqlalchemy"].engine

    def note(connection, cursor, statement, *rest):
        sent.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(engine, "before_cursor_execute", note)


def without_place(status):
    """Leave out the place in the queue, which only a look tells."""
    return {**status, "progress": {**status["progress"], "queue_position": None}}


class TestQueueing:
    def test_answers_with_the_address_to_watch(self, api):
        graph = api.graph(documents.ONE_TASK)
        answer = api("POST", "/executions", json={"graph_id": graph, "inputs": TOPIC})
        assert answer.status_code == 202
        assert answer.headers["Location"].endswith(f"/crewexec/executions/{answer.json['id']}")
        assert answer.headers["Retry-After"]
        assert api.status(answer.json["id"])["status"] == "queued"

    def test_stores_what_was_asked_for(self, api):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC, priority=2, thread_id="t-1")
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
            "elapsed_seconds": None,
            "waited_seconds": 0,
            "queue_position": 1,
            "waiting_for": "worker",
        }

    def test_sends_a_message_that_names_no_more_than_the_attempt(self, api, redis_process):
        secret = "the secret ingredient"
        id = api.queue(documents.ONE_TASK, inputs={"topic": secret}, priority=3)
        with redis_process.client() as client:
            (message,) = client.lrange(list_of(3), 0, -1)
        assert id in message
        assert secret not in message
        assert json.loads(message)["headers"]["task"] == "crewexec.execution"

    @pytest.mark.parametrize("priority", range(1, 11))
    def test_every_priority_has_a_level_of_its_own(self, api, admin, priority):
        api.queue(documents.ONE_TASK, inputs=TOPIC, priority=priority)
        depths = admin("GET", "/queues").json["queues"]["crew_execution"]
        assert {level: depth for level, depth in depths.items() if depth} == {str(priority): 1}

    def test_waits_no_longer_than_asked_for(self, api):
        graph = api.graph(documents.ONE_TASK)
        order = {"graph_id": graph, "inputs": TOPIC}
        answer = api("POST", "/executions", json=order, headers={"Prefer": "wait=1"})
        assert answer.json["status"] == "queued"

    def test_answers_at_once_what_a_look_would_tell(self, api):
        graph = api.graph(documents.ONE_TASK)
        answer = api("POST", "/executions", json={"graph_id": graph, "inputs": TOPIC})
        assert answer.json == without_place(api.status(answer.json["id"]))

    def test_an_error_while_waiting_does_not_hide_that_it_is_queued(self, api, monkeypatch):
        def fail(*args, **options):
            raise sa.exc.OperationalError("SELECT", {}, Exception("gone"))

        graph = api.graph(documents.ONE_TASK)
        order = {"graph_id": graph, "inputs": TOPIC}
        with monkeypatch.context() as patch:
            patch.setattr(AsyncExecutionService, "wait", fail)
            answer = api("POST", "/executions", json=order, headers={"Prefer": "wait=1"})
        assert answer.status_code == 202
        assert answer.json == without_place(api.status(answer.json["id"]))

    def test_takes_a_body_with_a_byte_order_mark(self, api):
        graph = api.graph(documents.ONE_TASK)
        data = b"\xef\xbb\xbf" + json.dumps({"graph_id": graph, "inputs": TOPIC}).encode()
        answer = api("POST", "/executions", data=data, content_type="application/json")
        assert answer.status_code == 202


class TestGraphNames:
    def test_every_answer_has_the_present_name_of_the_graph(self, api):
        document = {**documents.ONE_TASK, "name": "Tea"}
        order = {"graph_id": api.graph(document), "inputs": TOPIC}
        key = {"Idempotency-Key": "once"}
        queued = [api("POST", "/executions", json=order, headers=key).json for _ in range(2)]
        assert [status["graph_name"] for status in queued] == ["Tea", "Tea"]
        assert api("POST", "/executions", json=order).json["graph_name"] == "Tea"
        assert api("POST", "/executions/preview", json=order).json["graph_name"] == "Tea"
        renamed = {**document, "name": "Coffee"}
        path = f"/graphs/{order['graph_id']}"
        etag = {"If-Match": api("GET", path).headers["ETag"]}
        assert api("PUT", path, json=renamed, headers=etag).status_code == 200
        assert api("DELETE", path).status_code == 204
        id = queued[0]["id"]
        assert api.status(id)["graph_name"] == "Coffee"
        listed = api("GET", "/executions").json["executions"]
        assert [execution["graph_name"] for execution in listed] == ["Coffee", "Coffee"]
        compared = api("GET", f"/executions/{id}/compare/{listed[0]['id']}").json
        assert [compared[side]["graph_name"] for side in "ab"] == ["Coffee", "Coffee"]

    def test_costs_no_statement(self, app, api):
        """Submissions and looks at them are what a busy service does most."""
        order = {"graph_id": api.graph(documents.ONE_TASK), "inputs": TOPIC}
        id = api("POST", "/executions", json=order).json["id"]
        api.status(id)
        with statements(app) as sent:
            api("POST", "/executions", json=order)
            api.status(id)
        (asked,) = (statement for statement in sent if "crewexec_graph.name" in statement)
        assert asked.startswith("SELECT crewexec_execution")


class TestBadOrders:
    @pytest.fixture
    def order(self, api):
        return {"graph_id": api.graph(documents.ONE_TASK), "inputs": TOPIC}

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
        refused = problem(answer, 422, "invalid-request")
        assert refused["detail"] == "The request: Must be a JSON object."

    def test_a_form(self, api, order):
        problem(api("POST", "/executions", data=order), 415, "unsupported-media-type")

    @pytest.mark.parametrize("thread_id", ["a\x00b", "a\nb", "\x85", "\ud800", "", "x" * 256])
    def test_a_thread_id_that_cannot_be_stored(self, api, order, thread_id):
        body = self.refused(api, {**order, "thread_id": thread_id}, 422, "invalid-request")
        assert pointers(body) == ["/thread_id"]
        assert body["detail"].startswith("thread_id: ")

    def test_a_thousand_unknown_fields(self, api, order):
        unknown = {f"colour{number}": "red" for number in range(1000)}
        body = self.refused(api, {**order, **unknown}, 422, "invalid-request")
        assert len(body["errors"]) == 101
        assert body["errors"][-1]["code"] == "too-many-problems"


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
        ],
    )
    def test_anonymous_requests_are_refused(self, client, method, path):
        answer = client.open(f"/crewexec{path}", method=method)
        problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="crewexec"'

    def test_a_browser_may_ask_first_which_methods_there_are(self, client):
        answer = client.options("/crewexec/executions")
        assert answer.status_code == 200
        assert "POST" in answer.allow

    def test_ordinary_users_do_not_see_the_queues(self, api, admin):
        problem(api("GET", "/queues"), 403, "forbidden")
        assert admin("GET", "/queues").status_code == 200

    def test_health_needs_none(self, client):
        assert client.get("/crewexec/health/live").json == {"status": "ok"}

    def test_a_strangers_execution_does_not_exist(self, api, stranger):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
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
        id = api.graph(documents.ONE_TASK)
        problem(stranger("GET", f"/graphs/{id}"), 404, "not-found")
        problem(stranger("PUT", f"/graphs/{id}", json=documents.ONE_TASK), 404, "not-found")
        problem(stranger("DELETE", f"/graphs/{id}"), 404, "not-found")
        assert stranger("GET", "/graphs").json["graphs"] == []

    def test_an_administrator_sees_and_cancels_everything(self, api, admin):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        assert [e["id"] for e in admin("GET", "/executions").json["executions"]] == [id]
        assert admin("POST", f"/executions/{id}/cancel").status_code == 202
        assert api.status(id)["cancellation"]["by"] == "admin"

    @pytest.mark.parametrize("path", ["/executions/123", "/executions/123/events", "/graphs/x"])
    def test_what_is_no_id_is_not_found(self, api, path):
        problem(api("GET", path), 404, "not-found")


def test_a_replayed_answer_says_so(api):
    order = {"graph_id": api.graph(documents.chain("a"))}
    headers = {"Idempotency-Key": "once"}
    first, again = (api("POST", "/executions", json=order, headers=headers) for _ in range(2))
    assert first.json["id"] == again.json["id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


class TestLists:
    def test_pages_follow_each_other_without_gap_or_repeat(self, api):
        graph = api.graph(documents.ONE_TASK)
        order = {"graph_id": graph, "inputs": TOPIC}
        ids = [api("POST", "/executions", json=order).json["id"] for _ in range(5)]
        seen, query = [], "limit=2"
        while query:
            page = api("GET", f"/executions?{query}").json
            seen += [execution["id"] for execution in page["executions"]]
            query = page["next"] and f"limit=2&before={page['next']}"
        assert seen == ids[::-1]

    def test_filters(self, api):
        first = api.queue(documents.ONE_TASK, inputs=TOPIC, thread_id="one")
        second = api.queue(documents.ONE_TASK, inputs=TOPIC, thread_id="two")
        api("POST", f"/executions/{first}/cancel")
        graph = api.status(second)["graph_id"]

        def found(query):
            return [e["id"] for e in api("GET", f"/executions?{query}").json["executions"]]

        assert found("status=cancelled") == [first]
        assert found("status=queued") == [second]
        assert found("thread_id=one") == [first]
        assert found(f"graph_id={graph}") == [second]
        assert found("status=queued&thread_id=one") == []

    def test_filter_by_time_between_ids(self, api):
        ids = [api.queue(documents.ONE_TASK, inputs=TOPIC) for _ in range(3)]
        created = [api.status(id)["created_at"] for id in ids]
        assert created == sorted(created)

        def found(**query):
            page = api("GET", "/executions", query_string=query).json["executions"]
            return [execution["id"] for execution in page]

        noon = dt.datetime(2000, 1, 1, 12, tzinfo=dt.UTC)
        assert found(created_before=noon.isoformat()) == []
        assert found(created_after=noon.isoformat()) == ids[::-1]
        assert found(created_after="1066-10-14", created_before="2999-12-31") == ids[::-1]
        between = dt.datetime.fromtimestamp((uuid.UUID(ids[1]).int >> 80) / 1000, dt.UTC)
        earlier = found(created_before=between.isoformat())
        later = found(created_after=between.isoformat())
        assert later + earlier == ids[::-1]
        assert ids[1] in later

    def test_several_by_their_ids(self, api, stranger):
        ids = [api.queue(documents.ONE_TASK, inputs=TOPIC) for _ in range(3)]
        theirs = stranger.queue(documents.ONE_TASK, inputs=TOPIC)
        asked = ",".join([ids[0], theirs, ids[2], str(uuid.uuid4())])
        page = api("GET", f"/executions?ids={asked}").json
        assert [execution["id"] for execution in page["executions"]] == [ids[2], ids[0]]
        assert page["next"] is None

    def test_of_one_user_is_for_managers(self, api, stranger, admin):
        own = api.queue(documents.ONE_TASK, inputs=TOPIC)
        theirs = stranger.queue(documents.ONE_TASK, inputs=TOPIC)

        def found(user, of):
            page = user("GET", f"/executions?user_id={of}").json["executions"]
            return [execution["id"] for execution in page]

        assert found(admin, api.user) == [own]
        assert found(admin, stranger.user) == [theirs]
        assert found(api, api.user) == [own]
        assert found(api, stranger.user) == []

    def test_leave_out_what_may_be_large(self, api, app):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        with statements(app) as sent:
            (listed,) = api("GET", "/executions").json["executions"]
        missing = api.status(id).keys() - listed.keys()
        assert missing == {
            "input_requests",
            "inputs",
            "result",
            "result_omitted",
            "result_url",
            "steps",
        }
        assert not any(".inputs" in line or ".result" in line for line in sent)

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=201",
            "limit=x",
            "before=x",
            "status=asleep",
            "page=2",
            "thread_id=%00",
            "thread_id=",
            "user_id=",
            "code=a%0Ab",
            "created_after=yesterday",
            "created_before=2026-11-29T10:00+02:00",  # a plus sign in a URL is a space
        ],
    )
    def test_bad_queries_are_named(self, api, query):
        body = problem(api("GET", f"/executions?{query}"), 422, "invalid-request")
        assert pointers(body) == ["/" + query.partition("=")[0]]

    @pytest.mark.parametrize("ids", ["x", f"{NOBODYS},", ",".join([str(NOBODYS)] * 51)])
    def test_ids_that_cannot_be_are_refused(self, api, ids):
        body = problem(api("GET", f"/executions?ids={ids}"), 422, "invalid-request")
        assert all(pointer.startswith("/ids") for pointer in pointers(body))


class TestGraphs:
    def test_a_change_is_a_new_version_and_the_old_one_stays(self, api):
        id = api.graph(documents.ONE_TASK)
        changed = {**documents.ONE_TASK, "name": "renamed"}
        answer = api("PUT", f"/graphs/{id}", json=changed)
        assert (answer.json["version"], answer.json["name"]) == (2, "renamed")
        assert api("GET", f"/graphs/{id}").json["document"] == changed
        first = api("GET", f"/graphs/{id}?version=1").json
        assert (first["version"], first["document"]) == (1, documents.ONE_TASK)
        problem(api("GET", f"/graphs/{id}?version=3"), 404, "not-found")

    def test_an_execution_keeps_its_version(self, api):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        graph = api.status(id)["graph_id"]
        api("PUT", f"/graphs/{graph}", json=documents.chain("a", "b"))
        assert api.status(id)["graph_version"] == 1

    def test_a_deleted_graph_is_gone_but_its_executions_stay(self, api):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        graph = api.status(id)["graph_id"]
        assert api("DELETE", f"/graphs/{graph}").status_code == 204
        problem(api("GET", f"/graphs/{graph}"), 404, "not-found")
        problem(api("POST", "/executions", json={"graph_id": graph}), 404, "not-found")
        assert api("GET", "/graphs").json["graphs"] == []
        assert api.status(id)["status"] == "queued"

    def test_a_bad_graph_is_refused_with_all_its_problems(self, api):
        nodes = [
            documents.agent("writer"),
            documents.task("a"),
            documents.task("b"),
            documents.task("lost"),
        ]
        document = documents.crew(nodes, ["writer a", "writer b", "a b", "b a"])
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

    def test_a_hundred_problems_are_enough(self, api):
        document = {**documents.ONE_TASK, "nodes": [{"id": str(n)} for n in range(200)]}
        body = problem(api("POST", "/graphs", json=document), 422, "invalid-graph")
        assert len(body["errors"]) == 101
        assert body["errors"][-1]["code"] == "too-many-problems"
        assert "more than 100 problems" in body["detail"]

    def test_validation_says_what_is_missing(self, api):
        good = api("POST", "/graphs/validate", json=documents.ONE_TASK).json
        assert (good["valid"], good["problems"], good["inputs"]) == (True, [], ["topic"])
        document = documents.chain("a", tools=("teleport",))
        bad = api("POST", "/graphs/validate", json=document).json
        assert bad["valid"] is False
        assert [p["code"] for p in bad["problems"]] == ["unknown-tool"]
        assert "count_words" in bad["problems"][0]["detail"]


class TestCancelAndRetry:
    def test_a_queued_execution_is_cancelled_at_once(self, api):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        answer = api("POST", f"/executions/{id}/cancel", json={"reason": "too dear"})
        assert answer.status_code == 202
        assert answer.json["status"] == "cancelled"
        assert answer.json["cancellation"]["reason"] == "too dear"
        assert answer.json["cancellation"]["by"] == "ada"
        assert api.event_types(id) == ["queued", "cancelled"]

    @pytest.mark.parametrize("reason", ["a\x00", "\ud800", "x" * 501])
    def test_a_reason_that_cannot_be_stored(self, api, reason):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        answer = api("POST", f"/executions/{id}/cancel", json={"reason": reason})
        assert pointers(problem(answer, 422, "invalid-request")) == ["/reason"]
        assert api.status(id)["status"] == "queued"

    def test_a_reason_may_have_lines(self, api):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        answer = api("POST", f"/executions/{id}/cancel", json={"reason": "too\r\n\tdear"})
        assert answer.json["cancellation"]["reason"] == "too\r\n\tdear"

    def test_cancelling_twice_changes_nothing(self, api):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        first = api("POST", f"/executions/{id}/cancel", json={"reason": "one"}).json
        second = api("POST", f"/executions/{id}/cancel", json={"reason": "two"})
        assert second.status_code == 202
        assert second.json["cancellation"] == first["cancellation"]

    def test_a_cancelled_execution_can_be_tried_again(self, api, admin):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC, priority=4)
        api("POST", f"/executions/{id}/cancel")
        answer = api("POST", f"/executions/{id}/retry")
        assert answer.status_code == 202
        assert (answer.json["status"], answer.json["attempt"]) == ("queued", 2)
        assert answer.json["cancellation"] is None
        assert admin("GET", "/queues").json["queues"]["crew_execution"]["4"] == 2

    def test_a_queued_execution_cannot_be_tried_again(self, api):
        id = api.queue(documents.ONE_TASK, inputs=TOPIC)
        problem(api("POST", f"/executions/{id}/retry"), 409, "wrong-state")


class TestTroubleOfTheHost:
    """What goes wrong outside of the routes."""

    @pytest.fixture
    def raised(self, app):
        """A function that says what the host's identity loader raises from now on."""

        def set_error(error):
            def load():
                raise error

            current_app_state().identity_loaders[:] = [load]

        return set_error

    @pytest.fixture
    def another(self, environment, monkeypatch):
        """A function that makes the host again, with other settings."""
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made = []

        def make(**config):
            made.append(host.create_app(config))
            return made[-1]

        yield make
        for app in made:
            with app.app_context():
                app.extensions["sqlalchemy"].engine.dispose()

    def test_headers_of_an_error_survive(self, api, raised):
        raised(TooManyRequests(retry_after=7))
        answer = api("GET", "/executions")
        problem(answer, 429, "too-many-requests")
        assert answer.headers["Retry-After"] == "7"

    def test_a_challenge_to_sign_in_survives(self, api, raised):
        raised(Unauthorized(www_authenticate=WWWAuthenticate("bearer")))
        answer = api("GET", "/executions")
        problem(answer, 401, "unauthorized")
        assert answer.www_authenticate.type == "bearer"

    def test_missing_tables_are_named_in_the_log(self, app, api, caplog, monkeypatch):
        # The tests of migrations run Alembic, whose set-up of logging switches other loggers off.
        monkeypatch.setattr(problems.log, "disabled", False)
        app.extensions["sqlalchemy"].drop_all()
        problem(api("GET", "/executions"), 500, "internal-error")
        assert "'crewexec_execution'" in caplog.text
        assert "db.create_all()" in caplog.text

    def test_missing_columns_are_named_in_the_log(self, app, api, caplog, monkeypatch):
        with app.extensions["sqlalchemy"].engine.begin() as connection:
            change = "ALTER TABLE crewexec_execution RENAME COLUMN thread_id TO thread"
            connection.execute(sa.text(change))
        monkeypatch.setattr(problems.log, "disabled", False)
        problem(api("GET", "/executions"), 500, "internal-error")
        assert "no column 'crewexec_execution.thread_id'" in caplog.text

    @pytest.mark.parametrize(
        "url", ["sqlite:////nowhere/host.sqlite", "postgresql+psycopg://127.0.0.1:1/host"]
    )
    @pytest.mark.sqlite_enough
    def test_no_database(self, another, url):
        client = another(SQLALCHEMY_DATABASE_URI=url).test_client()
        answer = client.get("/crewexec/executions", headers={"X-User": "ada"})
        problem(answer, 503, "database-unavailable")
        assert answer.headers["Retry-After"]

    def test_no_connection_left(self, app, another):
        pool = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.1}
        small = another(SQLALCHEMY_ENGINE_OPTIONS=pool)
        with small.app_context(), small.extensions["sqlalchemy"].engine.connect():
            answer = small.test_client().get("/crewexec/executions", headers={"X-User": "ada"})
        problem(answer, 503, "database-unavailable")

    @pytest.mark.sqlite_enough
    def test_a_locked_file(self, app, another):
        hasty = another(SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.1}})
        with app.extensions["sqlalchemy"].engine.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            answer = hasty.test_client().get("/crewexec/executions", headers={"X-User": "ada"})
        problem(answer, 503, "database-unavailable")

    @pytest.mark.sqlite_enough
    def test_a_smaller_limit_of_the_host_stays(self, another):
        client = another(MAX_CONTENT_LENGTH=100).test_client()
        body = {"graph_id": "x" * 100}
        answer = client.post("/crewexec/executions", json=body, headers={"X-User": "ada"})
        problem(answer, 413, "request-entity-too-large")


CHECKS_WITHOUT_WORKERS = {
    "database": "ok",
    "broker": "ok",
    "workers:crew_execution": "no worker",
    "workers:cleanup": "no worker",
    "queue": "ok",
}


class TestHealth:
    def test_ready_without_workers(self, api):
        answer = api("GET", "/health/ready")
        assert (answer.status_code, answer.json["status"]) == (200, "ok")
        assert answer.json["checks"] == CHECKS_WITHOUT_WORKERS

    def test_not_ready_without_workers_that_are_required(self, api):
        answer = api("GET", "/health/ready?require=workers")
        assert (answer.status_code, answer.json["status"]) == (503, "unavailable")
        assert answer.json["checks"] == CHECKS_WITHOUT_WORKERS
        first, second = answer.json["problems"]
        assert first["check"] == "workers:crew_execution"
        assert first["detail"] == "No live worker consumes the queue 'crew_execution'."
        assert "flask --app myapp crewexec worker" in first["remedy"]
        assert second["check"] == "workers:cleanup"

    def test_other_requirements_are_refused(self, api):
        problem(api("GET", "/health/ready?require=luck"), 422, "invalid-request")
        problem(api("GET", "/health/ready?requires=workers"), 422, "invalid-request")


class TestForgedRequests:
    """Of a page of another site, in a browser that sends the user's cookie."""

    SITES = ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"})

    @pytest.mark.parametrize("headers", SITES)
    @pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
    def test_they_do_nothing(self, api, headers, kind):
        id = api.queue(documents.chain("a"))
        answer = api("POST", f"/executions/{id}/cancel", headers=headers, content_type=kind)
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
        assert api.status(id)["status"] == "queued"

    @pytest.mark.parametrize("headers", SITES)
    def test_what_browsers_ask_other_sites_for_first_passes(self, api, headers):
        id = api.queue(documents.chain("a"))
        answer = api("POST", f"/executions/{id}/cancel", headers=headers, json={})
        assert answer.status_code == 202
        given = {**headers, "Authorization": "Bearer x"}
        assert api("POST", f"/executions/{id}/retry", headers=given).status_code == 202
