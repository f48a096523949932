"""PgBouncer in transaction mode between the application and PostgreSQL."""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Iterator

import psutil
import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.database.connection_events import adapt_connections
from flask_crewexec.database.connection_events import is_closed
from flask_crewexec.services.checks.database import check_pooler
from support.graphs import documents
from support.host_app import host
from support.servers.debian_packages import ensure_installed
from support.servers.debian_packages import NotInstalled
from support.servers.pgbouncer import PGBOUNCER
from support.servers.pgbouncer import pgbouncer_server
from support.servers.pgbouncer import PgBouncerProcess
from support.servers.postgres import PostgresProcess
from support.servers.processes import wait_until

pytestmark = pytest.mark.postgresql

ORDERS = 24
SELECT_1 = sa.select(sa.literal(1))


@pytest.fixture(scope="module")
def pgbouncer(postgres: PostgresProcess) -> Iterator[PgBouncerProcess]:
    try:
        ensure_installed(PGBOUNCER)
    except NotInstalled as reason:
        pytest.skip(f"no PgBouncer: {reason}")
    with pgbouncer_server(postgres, connections=3) as process:
        yield process


@pytest.fixture
def database_url(postgres: PostgresProcess, pgbouncer: PgBouncerProcess, request: t.Any) -> str:
    return pgbouncer.url_of(postgres.fresh_database_url())


@pytest.mark.settings(MAX_RUNNING_PER_USER=3)  # takes an advisory lock with each claim
def test_no_order_is_lost_and_no_step_asked_twice(app, api, client, model, start_worker):
    """Three server connections serve a web process and a worker with four threads."""
    worker = start_worker(pool="threads", concurrency=4)
    graph = api.graph(documents.chain("a", "b"))

    def order(_: int) -> str:
        with app.app_context():
            answer = app.test_client().post(
                "/crewexec/executions", json={"graph_id": graph}, headers={"X-User": "ada"}
            )
        assert answer.status_code == 202, answer.json
        return t.cast(str, answer.json["id"])

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(order, range(ORDERS)))
    wait_until(lambda: not active(), what="the end of all runs")
    for id in ids:
        status = api.status(id)
        assert (status["status"], status["attempt"]) == ("completed", 1)
    assert len(model.calls) == 2 * ORDERS
    assert "prepared statement" not in worker.log_text()


def active() -> int:
    execution = current_app_state().models.execution
    query = sa.select(sa.func.count()).where(execution.finished_at.is_(None))
    with current_app_state().database.read_session() as session:
        return session.scalars(query).one()


@pytest.fixture
def make_engine() -> Iterator[t.Callable[..., sa.Engine]]:
    """A function that makes an engine of the host."""
    engines = []

    def make(url: str, **options: object) -> sa.Engine:
        engines.append(sa.create_engine(url, **options))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


def threshold_of(engine: sa.Engine) -> t.Any:
    with engine.connect() as connection:
        driver: t.Any = connection.connection.dbapi_connection
        return driver.prepare_threshold


def test_statements_are_not_prepared_even_on_connections_of_the_host(make_engine, database_url):
    engine = make_engine(database_url)
    assert threshold_of(engine) == 5
    adapt_connections(engine)
    assert threshold_of(engine) is None


def test_a_threshold_of_the_host_is_respected(make_engine, database_url):
    engine = make_engine(database_url, connect_args={"prepare_threshold": 7})
    adapt_connections(engine)
    assert threshold_of(engine) == 7


def test_statements_are_prepared_without_a_pooler(make_engine, postgres):
    engine = make_engine(postgres.fresh_database_url())
    adapt_connections(engine)
    assert threshold_of(engine) == 5


def test_idle_connections_are_replaced_after_a_restart(make_engine, database_url, pgbouncer):
    engine = make_engine(database_url)
    adapt_connections(engine)
    with engine.connect() as first, engine.connect() as second:
        assert (first.scalar(SELECT_1), second.scalar(SELECT_1)) == (1, 1)
    pgbouncer.restart()
    with engine.connect() as first, engine.connect() as second:
        assert (first.scalar(SELECT_1), second.scalar(SELECT_1)) == (1, 1)


def test_idle_connections_are_replaced_after_the_server_has_ended_them(make_engine, postgres):
    url = postgres.fresh_database_url()
    engine, other = make_engine(url), make_engine(url)
    adapt_connections(engine)
    with engine.connect() as connection:
        server_process = connection.scalar(sa.select(sa.func.pg_backend_pid()))
    with other.connect() as connection:
        connection.execute(sa.select(sa.func.pg_terminate_backend(server_process)))
    wait_until(
        lambda: not psutil.pid_exists(server_process), seconds=20, what="the server process to end"
    )
    with engine.connect() as connection:
        assert connection.scalar(SELECT_1) == 1


def test_a_notice_does_not_end_an_idle_connection(make_engine, postgres):
    url = postgres.fresh_database_url()
    engine, other = make_engine(url), make_engine(url)
    adapt_connections(engine)
    channel = sa.text("LISTEN crews")
    with engine.connect() as connection:
        connection.execute(channel)
        connection.commit()
        before = connection.connection.dbapi_connection
    with other.connect() as connection:
        connection.execute(sa.text("NOTIFY crews"))
        connection.commit()
    assert not is_closed(before)
    with engine.connect() as connection:
        assert connection.connection.dbapi_connection is before
        assert connection.scalar(SELECT_1) == 1


@pytest.mark.parametrize(("threshold", "status"), [(None, "ok"), (7, "warning")])
def test_the_check_finds_the_pooler(threshold, status, environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options = {"connect_args": {"prepare_threshold": threshold}}
    app = host.create_app({"SQLALCHEMY_ENGINE_OPTIONS": options})
    with app.app_context():
        (result,) = check_pooler(current_app_state())
        host.db.engine.dispose()
    assert result.status == status
    assert "behind a pooler" in result.detail


def test_the_check_finds_no_pooler(postgres, broker_url):
    app = host.create_app({"SQLALCHEMY_DATABASE_URI": postgres.fresh_database_url()})
    with app.app_context():
        (result,) = check_pooler(current_app_state())
        host.db.engine.dispose()
    assert result.detail.startswith("No pooler")
