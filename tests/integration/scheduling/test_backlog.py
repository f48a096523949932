"""Submissions of users who have something on hold: one statement, and the same promises."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest
import sqlalchemy as sa
from psycopg import _queries

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.models import table_of
from flask_crewexec.scheduling import running_count
from flask_crewexec.scheduling import submission_statements
from support.api_client import problem
from support.graphs import documents
from support.in_process import change
from support.in_process import column
from support.in_process import copy_of
from support.in_process import insert_worker
from support.servers.broker_faults import FAULTS
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis


@pytest.fixture
def redis_process(tmp_path):
    """A server of our own, since we stop it."""
    with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
        yield process


@pytest.fixture
def order(api):
    """A function that queues the same graph, and returns the answer."""
    graph = api.graph(documents.chain("a"))
    return lambda **more: api("POST", "/executions", json={"graph_id": graph, **more})


@pytest.fixture
def statements(app):
    """The statements that were executed, each by its first word."""
    executed = []

    def note(connection, cursor, statement, *_):
        executed.append(statement.split()[0])

    sa.event.listen(app.extensions["sqlalchemy"].engine, "before_cursor_execute", note)
    return executed


@pytest.mark.postgresql
class TestStatements:
    def test_only_for_the_first_on_hold_it_looks_what_may_be_released(self, order, statements):
        order()
        del statements[:]
        assert order().status_code == 202
        assert statements == ["WITH", "SELECT"]
        del statements[:]
        ids = [order().json["id"] for _ in range(2)]
        assert statements == ["WITH"] * 2
        assert [column(id, "on_hold") for id in ids] == [True, True]

    def test_what_a_dead_process_did_not_release_is_released(self, order, statements):
        first, second, third = [order().json["id"] for _ in range(3)]
        change(first, status="cancelled", finished_at=clock.now())
        fourth = order().json["id"]
        held = [column(id, "on_hold") for id in (second, third, fourth)]
        assert held == [False, True, True]

    def test_it_is_short_enough_for_psycopg_to_keep_how_it_is_read(self, app):
        """Otherwise psycopg parses it for each submission, which takes longer than anything."""
        inserts = submission_statements._inserts.current()
        for statement in (inserts.always, inserts.if_unchanged):
            assert len(statement.text) <= _queries.MAX_CACHED_STATEMENT_LENGTH
            assert len(statement.parameters) <= _queries.MAX_CACHED_STATEMENT_PARAMS


@pytest.mark.postgresql
@pytest.mark.redis
class TestWithoutBroker:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_what_would_be_on_hold_is_refused_and_not_stored(
        self, app, api, order, redis_process, fault
    ):
        for _ in range(2):
            order()
        before = api("GET", "/executions").json["executions"]
        fault(redis_process)
        problem(order(), 503, "broker-unavailable")
        assert api("GET", "/executions").json["executions"] == before
        event = app.extensions["crewexec"].models.event
        assert app.extensions["sqlalchemy"].session.query(event).count() == len(before)

    @pytest.mark.settings(ACCEPT_WITHOUT_BROKER=True)
    def test_it_is_on_hold_if_the_host_wants_that(self, order, redis_process):
        for _ in range(2):
            order()
        redis_process.stop()
        answer = order()
        assert answer.status_code == 202
        assert column(answer.json["id"], "on_hold")


def plans_of_submissions(engine):
    """How often each connection has used a plan again, and has made one."""
    query = (
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
        " WHERE statement LIKE 'WITH lookup%%'"
    )
    with contextlib.ExitStack() as stack:
        all = [stack.enter_context(engine.connect()) for _ in range(engine.pool.checkedin())]
        return [row for one in all for row in one.exec_driver_sql(query)]


class TestRunningExecutions:
    def count(self):
        app_state = current_app_state()
        parameters = running_count.running_parameters()
        query = sa.select(running_count.running_sql(app_state))
        with app_state.database.read_session() as session:
            return session.scalar(query, parameters), parameters["known_running"]

    def test_few_are_counted_each_time(self, order):
        first, second = [order().json["id"] for _ in range(2)]
        change(first, status="running")
        order()
        assert self.count() == (1, None)
        change(second, status="running")
        assert self.count() == (2, None)

    def test_many_are_not_counted_again_within_a_second(self, order, monkeypatch):
        monkeypatch.setattr(running_count, "MANY", 1)
        monkeypatch.setattr(running_count, "MAX_AGE_SECONDS", 60.0)
        first = order().json["id"]
        change(first, status="running")
        copy_of(first, clock.now())
        assert order().status_code == 202
        assert self.count() == (2, 2)
        change(first, status="completed", finished_at=clock.now())
        assert self.count() == (2, 2)

    def test_they_are_counted_again_after_that(self, order, monkeypatch):
        monkeypatch.setattr(running_count, "MANY", 1)
        monkeypatch.setattr(running_count, "MAX_AGE_SECONDS", 0.0)
        first = order().json["id"]
        change(first, status="running")
        copy_of(first, clock.now())
        assert order().status_code == 202
        assert self.count() == (2, 2)
        change(first, status="completed", finished_at=clock.now())
        assert self.count() == (1, None)

    def test_until_many_are_counted_no_slot_is_taken_for_free(self, app, order, monkeypatch):
        monkeypatch.setattr(running_count, "MANY", 1)
        insert_worker(app, slots=5)
        first, _ = [order().json["id"] for _ in range(2)]
        change(first, status="running")
        for second in range(9):
            copy_of(first, clock.now() + dt.timedelta(seconds=second))
        assert column(order().json["id"], "on_hold")

    @pytest.mark.postgresql
    def test_postgresql_keeps_the_plan_however_many_run(self, app, order):
        first = order().json["id"]
        change(first, status="running")
        engine = app.extensions["sqlalchemy"].engine
        columns = table_of(current_app_state().models.execution).c.keys()
        values = ["gen_random_uuid()" if name == "id" else name for name in columns]
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"INSERT INTO crewexec_execution ({', '.join(columns)}) SELECT {', '.join(values)}"
                " FROM crewexec_execution, generate_series(1, 20000)"
            )
            connection.exec_driver_sql("ANALYZE")
        for _ in range(60):
            assert order().status_code == 202
        plans = plans_of_submissions(engine)
        assert max(generic for generic, _ in plans) > 10
        assert max(custom for _, custom in plans) <= 10
