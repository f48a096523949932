"""The messages and statements of a submission, and that its fast path changes nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from celery import signals
from kombu.messaging import Producer

from flask_crewexec.messaging.message_template import message_templates
from flask_crewexec.messaging.publishing import publish_attempt
from flask_crewexec.storage import cte_writes
from flask_crewexec.storage import graph_cache
from flask_crewexec.storage.graph_cache import GraphCache
from flask_crewexec.storage.graph_cache import Version
from support.api_client import Api
from support.api_client import problem
from support.graphs import documents
from support.in_process import insert_worker
from support.in_process import run
from support.message_lists import list_of


def order(api, graph, **more):
    return api("POST", "/executions", json={"graph_id": graph, **more})


@contextlib.contextmanager
def heard(signal):
    """Receive one of Celery's signals within the block."""
    received = []

    def listen(**values):
        received.append(values)

    signal.connect(listen)
    try:
        yield received
    finally:
        signal.disconnect(listen)


@pytest.mark.sqlite_enough
class TestMessages:
    @pytest.fixture
    def sent(self, app, redis_process):
        """A function that sends one message and returns it as it is in the broker."""

        def sent(id, attempt, priority):
            publish_attempt(app.extensions["crewexec"], id, attempt, priority)
            with redis_process.client() as client:
                message = json.loads(client.rpop(list_of(priority)))
            message["properties"].pop("reply_to")  # of the thread, for results that nobody stores
            return message, message["properties"].pop("delivery_tag")

        return sent

    @pytest.mark.parametrize("attempt", [1, 2, 30])
    @pytest.mark.parametrize("priority", [1, 5, 10])
    def test_they_are_what_celery_would_send(self, app, sent, attempt, priority):
        id = uuid.uuid4()
        ours, tag = sent(id, attempt, priority)
        # Celery's sender knows who listened when it was made.
        vars(app.extensions["celery"].amqp).pop("send_task_message", None)
        with heard(signals.after_task_publish) as received:
            celerys, other = sent(id, attempt, priority)
        assert received
        assert ours == celerys
        assert list(ours) == list(celerys)
        assert uuid.UUID(tag) != uuid.UUID(other)

    def test_they_do_not_name_a_parent_task(self, app, sent):
        id, celery = uuid.uuid4(), app.extensions["celery"]

        def send():
            return sent(id, 1, 5)[0]

        children = []

        def send_and_look():
            message = send()
            children.extend(celery.current_task.request.children)
            return message

        in_task = celery.task(send_and_look, name="sending").apply().get()
        assert not children
        assert in_task == send()
        assert in_task["headers"]["parent_id"] is None

    def test_threads_do_not_wait_for_each_other(self, app, sent):
        everybody = threading.Barrier(30)

        def meet(**_):
            everybody.wait(10)

        def send(_):
            with app.app_context():
                publish_attempt(app.extensions["crewexec"], uuid.uuid4(), 1, 5)

        signals.before_task_publish.connect(meet)
        try:
            with ThreadPoolExecutor(30) as threads:
                list(threads.map(send, range(30)))
        finally:
            signals.before_task_publish.disconnect(meet)

    def test_each_has_its_own_delivery_tag(self, sent):
        id = uuid.uuid4()
        assert len({sent(id, 1, 5)[1] for _ in range(5)}) == 5

    def test_each_has_its_own_task_id_in_the_first_protocol_of_celery(self, app, sent):
        app.extensions["celery"].conf.task_protocol = 1
        id = uuid.uuid4()
        bodies = [json.loads(base64.b64decode(sent(id, 1, 5)[0]["body"])) for _ in range(2)]
        assert [body["id"] for body in bodies] == [str(id), str(id)]

    def test_each_has_its_own_expiry(self, app, sent, monkeypatch):
        task = app.extensions["celery"].tasks["crewexec.execution"]
        monkeypatch.setattr(task, "expires", 60)
        first, second = (sent(uuid.uuid4(), 1, 5)[0]["headers"]["expires"] for _ in range(2))
        assert first < second

    def test_receivers_of_celery_signals_can_change_them(self, app, sent):
        def add_header(headers, **_):
            headers["tenant"] = "north"

        sent(uuid.uuid4(), 1, 5)
        signals.before_task_publish.connect(add_header)
        try:
            message, _ = sent(uuid.uuid4(), 1, 5)
        finally:
            signals.before_task_publish.disconnect(add_header)
        assert message["headers"]["tenant"] == "north"

    def test_celery_makes_those_whose_sending_it_reports(self, app):
        task = app.extensions["celery"].tasks["crewexec.execution"]
        task.app.conf.task_send_sent_event = True
        with app.app_context():
            assert message_templates.current().get(task, 5) is None

    def test_wrapped_producers_see_them(self, sent, monkeypatch):
        seen = []

        def watched(producer, *args, **options):
            seen.append(options["routing_key"])
            return original(producer, *args, **options)

        sent(uuid.uuid4(), 1, 5)
        original = Producer.publish
        monkeypatch.setattr(Producer, "publish", watched)
        sent(uuid.uuid4(), 1, 5)
        assert seen == ["crew_execution"]

    def test_a_custom_task_class_builds_its_own(self, app, sent, monkeypatch):
        task = app.extensions["celery"].tasks["crewexec.execution"]
        sent(uuid.uuid4(), 1, 5)
        monkeypatch.setattr(type(task), "apply_async", _with_header, raising=False)
        message, _ = sent(uuid.uuid4(), 1, 5)
        assert message["headers"]["tenant"] == "south"


def _with_header(task, *args, **options):
    return super(type(task), task).apply_async(*args, headers={"tenant": "south"}, **options)


@pytest.mark.postgresql
class TestStatements:
    @pytest.fixture
    def statements(self, app):
        """The statements that were executed, each by its first word."""
        executed = []

        def note(connection, cursor, statement, *_):
            executed.append(statement.split()[0])

        engine = app.extensions["sqlalchemy"].engine
        sa.event.listen(engine, "before_cursor_execute", note)
        return executed

    def test_a_submission_takes_one_statement(self, api, statements):
        graph = api.graph(documents.chain("a"))
        order(api, graph)
        del statements[:]
        answer = order(api, graph, priority=4)
        assert answer.status_code == 202, answer.json
        assert statements == ["WITH"]

    @pytest.mark.settings(MAX_QUEUED_PER_USER=2)
    def test_with_limits_per_user_it_takes_a_select_and_an_insert(self, api, statements):
        graph = api.graph(documents.chain("a"))
        order(api, graph)
        del statements[:]
        assert order(api, graph, priority=4).status_code == 202
        assert statements == ["SELECT", "WITH"]
        assert order(api, graph, priority=3).json["code"] == "queue-quota-exceeded"

    def test_executions_without_a_free_slot_are_on_hold(self, app, api):
        graph = api.graph(documents.chain("a"))
        ids = [order(api, graph).json["id"] for _ in range(3)]
        execution = app.extensions["crewexec"].models.execution
        with app.extensions["crewexec"].database.read_session() as session:
            rows = session.execute(sa.select(execution.id, execution.on_hold)).all()
        assert {str(id): held for id, held in rows} == dict(
            zip(ids, [False, True, True], strict=True)
        )

    def test_the_row_contains_the_submission(self, app, api):
        key = {"Idempotency-Key": "order-1", "X-Request-ID": "request-1"}
        limits = {"timeout": 7.5, "max_llm_calls": 3, "max_tool_calls": 4, "max_tokens": 99}
        graph = api.graph(documents.ONE_TASK)
        body = {"graph_id": graph, "inputs": {"topic": "é"}, "thread_id": "t", **limits}
        answer = api("POST", "/executions", json=body, headers=key).json
        assert api.status(answer["id"]) == {
            **answer,
            "progress": {**answer["progress"], "queue_position": 1},
        }
        assert answer["limits"] == limits
        assert (answer["request_id"], answer["thread_id"]) == ("request-1", "t")
        execution = app.extensions["crewexec"].models.execution
        with app.extensions["crewexec"].database.read_session() as session:
            row = session.scalars(sa.select(execution)).one()
        assert (row.idempotency_key, row.attempt, row.writes) == ("order-1", 1, 0)
        assert row.published_at is not None
        assert not row.on_hold
        assert api.event_types(answer["id"]) == ["queued"]

    def test_a_submission_does_not_wait_long_for_a_locked_row(self, app, api, monkeypatch):
        monkeypatch.setattr(cte_writes, "LOCK_TIMEOUT_SECONDS", 1)
        graph = api.graph(documents.chain("a"))
        model = app.extensions["crewexec"].models.graph
        with app.extensions["sqlalchemy"].engine.begin() as connection:
            connection.execute(sa.select(model.id).with_for_update())
            answer = order(api, graph)
            assert answer.status_code >= 500, answer.json
        assert api("GET", "/executions").json["executions"] == []
        assert order(api, graph).status_code == 202


class TestKeptGraphs:
    def test_the_newest_version_is_queued(self, api):
        graph = api.graph(documents.chain("a"))
        assert order(api, graph).json["graph_version"] == 1
        assert api("PUT", f"/graphs/{graph}", json=documents.chain("a", "b")).status_code == 200
        answer = order(api, graph).json
        assert (answer["graph_version"], answer["progress"]["total_steps"]) == (2, 2)

    def test_a_tool_that_is_no_longer_registered_is_refused(self, app, api):
        graph = api.graph(documents.chain("a", tools=("count_words",)))
        assert order(api, graph).status_code == 202
        del app.extensions["crewexec"].registry.tools["count_words"]
        (found,) = problem(order(api, graph), 422, "invalid-graph")["errors"]
        assert found["code"] == "unknown-tool"

    def test_other_users_cannot_queue_them(self, api, stranger):
        graph = api.graph(documents.chain("a"))
        assert order(api, graph).status_code == 202
        assert order(stranger, graph).status_code == 404

    def test_an_archived_graph_is_not_found(self, api):
        graph = api.graph(documents.chain("a"))
        id = order(api, graph).json["id"]
        api("POST", f"/executions/{id}/cancel", json={})
        assert api("DELETE", f"/graphs/{graph}").status_code == 204
        assert order(api, graph).status_code == 404


def test_the_least_recently_used_graphs_are_evicted(monkeypatch):
    each = graph_cache._BASE_BYTES + graph_cache._BYTES_PER_CHARACTER * len(
        json.dumps(documents.chain("a"))
    )
    monkeypatch.setattr(graph_cache, "MAX_BYTES", 2 * each)
    cache = GraphCache()
    versions = [Version(uuid.uuid4(), 1) for _ in range(3)]
    for version in versions[:2]:
        cache.parse_and_store(version, documents.chain("a"))
    assert cache.get(versions[0]) is not None
    cache.parse_and_store(versions[2], documents.chain("a"))
    assert [cache.get(version) is not None for version in versions] == [True, False, True]


def test_the_newest_version_stays_cached_when_an_older_one_is_evicted(monkeypatch):
    each = graph_cache._BASE_BYTES + graph_cache._BYTES_PER_CHARACTER * len(
        json.dumps(documents.chain("a"))
    )
    monkeypatch.setattr(graph_cache, "MAX_BYTES", each)
    cache = GraphCache()
    id = uuid.uuid4()
    for number in (1, 2):
        cache.parse_and_store(Version(id, number), documents.chain("a"))
    assert cache.get(Version(id, 1)) is None
    assert cache.newest_cached(id) == Version(id, 2)
    cache.parse_and_store(Version(uuid.uuid4(), 1), documents.chain("a"))
    assert cache.newest_cached(id) is None


def test_an_older_version_that_is_cached_later_is_not_the_newest():
    cache = GraphCache()
    id = uuid.uuid4()
    for number in (2, 1):
        cache.parse_and_store(Version(id, number), documents.chain("a"))
    assert cache.newest_cached(id) == Version(id, 2)


@pytest.mark.postgresql
@pytest.mark.settings(POLL_INTERVAL=100.0, LEASE_SECONDS=1000.0)  # one connection does it all
def test_postgresql_uses_generic_plans(app, api):
    """Planning a statement takes longer than running it."""
    insert_worker(app)
    engine = app.extensions["sqlalchemy"].engine
    users = [Api(app.test_client(), f"user-{number}") for number in range(30)]
    graphs = [user.graph(documents.chain("a")) for user in users]

    def everybody_orders():
        return [order(user, graph).json["id"] for user, graph in zip(users, graphs, strict=True)]

    ids = [id for _ in range(20) for id in everybody_orders()]
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("ANALYZE")  # from now on it knows that all are queued
    everybody_orders()
    for id in ids[:30]:
        assert run(id) == "completed"
    with engine.connect() as connection:
        plans = connection.exec_driver_sql(
            "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE generic_plans + custom_plans > 20"
        ).all()
    assert len(plans) > 5
    assert not [plan for plan in plans if plan.custom_plans > 10]
