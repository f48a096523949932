"""What load balancers are told, also while a part of the service hangs."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.services.time_bound_call import MAX_CONCURRENT
from support.servers.broker_faults import empty
from support.servers.broker_faults import fill
from support.servers.broker_faults import make_read_only
from support.servers.broker_faults import promote
from support.servers.postgres import postgres_server
from support.servers.processes import wait_until

pytestmark = pytest.mark.settings(HEALTH_TIMEOUT=20.0)


@pytest.fixture(scope="module")
def postgres():
    """A server of our own, to be frozen."""
    with postgres_server() as process:
        yield process


@pytest.fixture
def redis_process(redis_process):
    yield redis_process
    redis_process.resume()


def ready(client, query="?require=workers"):
    answer = client.get(f"/crewexec/health/ready{query}")
    return answer.status_code, answer.json["checks"]


def problems(client):
    """Return what is wrong, by check, without workers."""
    answer = client.get("/crewexec/health/ready")
    assert answer.status_code == (503 if answer.json["status"] == "unavailable" else 200)
    found = {problem["check"]: problem["detail"] for problem in answer.json["problems"]}
    assert all(problem["remedy"] for problem in answer.json["problems"])
    return {
        name: detail for name, detail in found.items() if not name.startswith(("workers", "queue"))
    }


def bounded_calls():
    return [thread for thread in threading.enumerate() if thread.name == "crewexec-bounded"]


@contextlib.contextmanager
def frozen(postgres):
    """Let the server accept connections, as the kernel does for it, and never answer."""
    with postgres.frozen():
        yield
    wait_until(lambda: not bounded_calls(), what="the calls that hung")


@pytest.fixture
def heartbeat(app):
    """Store a sign of life of a worker, *age* seconds old."""

    def beat(*queues, age=0.0):
        app_state = current_app_state()
        seen = clock.now() - dt.timedelta(seconds=age)
        with app_state.database.write_transaction() as session:
            session.add(
                app_state.models.worker(
                    name=f"worker of {queues}",
                    pid=1,
                    queues=list(queues),
                    pool="solo",
                    concurrency=1,
                    started_at=seen,
                    seen_at=seen,
                )
            )

    return beat


class TestWorkers:
    def test_each_queue_needs_one(self, client, heartbeat):
        heartbeat("crew_execution")
        status, checks = ready(client)
        assert status == 503
        assert checks["workers:crew_execution"] == "ok"
        assert checks["workers:cleanup"] == "no worker"
        heartbeat("cleanup")
        assert ready(client)[0] == 200

    def test_one_that_has_long_been_silent_counts_for_nothing(self, client, heartbeat):
        heartbeat("crew_execution", "cleanup", age=61)
        assert ready(client)[0] == 503

    @pytest.mark.sqlite_enough
    def test_nobody_asks_them(self, app, client, heartbeat, redis_process):
        """Celery's remote control would cost each check a second."""
        heartbeat("crew_execution", "cleanup")
        with redis_process.client() as redis:
            before = redis.info("commandstats").get("cmdstat_publish", {}).get("calls", 0)
            assert ready(client)[0] == 200
            after = redis.info("commandstats").get("cmdstat_publish", {}).get("calls", 0)
        assert after == before


@pytest.mark.settings(HEALTH_TIMEOUT=1.0)
@pytest.mark.postgresql
class TestFrozenDatabase:
    def test_is_reported_without_waiting_for_it(self, client, heartbeat, postgres):
        heartbeat("crew_execution", "cleanup")
        with frozen(postgres):
            status, checks = ready(client)
            assert status == 503
            assert checks["database"] == "no answer"
            assert checks["broker"] == "ok"
        assert ready(client)[0] == 200

    def test_does_not_gather_calls_that_hang(self, client, postgres):
        ready(client)
        with frozen(postgres):
            for _ in range(MAX_CONCURRENT + 2):
                assert ready(client)[1]["database"] == "no answer"
            assert len(bounded_calls()) == MAX_CONCURRENT
        assert ready(client)[1]["database"] == "ok"

    def test_leaves_the_process_alive(self, client, postgres):
        with frozen(postgres):
            assert client.get("/crewexec/health/live").status_code == 200

    def test_that_was_never_reached_before(self, app, client, postgres):
        app.extensions["sqlalchemy"].engine.dispose()
        with frozen(postgres):
            assert ready(client)[1]["database"] == "no answer"


class TestOtherTroubles:
    @pytest.mark.settings(HEALTH_TIMEOUT=0.5)
    @pytest.mark.sqlite_enough
    def test_a_locked_file(self, app, client):
        with app.extensions["sqlalchemy"].engine.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            assert ready(client)[1]["database"] == "no answer"
        wait_until(lambda: not bounded_calls(), what="the call that hung")

    def test_missing_tables(self, app, client):
        model: t.Any = current_app_state().models.worker
        model.__table__.drop(current_app_state().database.engine)
        assert ready(client)[1]["database"] == "no tables"
        assert problems(client)["database"] == "The database lacks 'crewexec_worker'."
        app.extensions["sqlalchemy"].create_all()
        assert ready(client)[1]["database"] == "ok"

    def test_missing_columns(self, app, client, admin):
        with app.extensions["sqlalchemy"].engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE crewexec_execution DROP COLUMN lost_attempts")
        status, checks = ready(client, "")
        assert (status, checks["database"]) == (503, "no columns")
        assert problems(client) == {
            "database": "The database lacks 'crewexec_execution.lost_attempts'."
        }

    @pytest.mark.sqlite_enough
    def test_a_frozen_broker(self, client, redis_process):
        redis_process.suspend()
        status, checks = ready(client)
        assert status == 503
        assert checks["broker"] in ("unreachable", "no answer")
        redis_process.resume()
        wait_until(lambda: ready(client)[1]["broker"] == "ok", what="the next check")
        wait_until(lambda: not bounded_calls(), what="the call that hung")


TAKEN = "the queue 'cleanup' of this Redis database"


def take_queue(redis_process):
    with redis_process.client() as client:
        client.set("crewexec:claim:cleanup", str(uuid.uuid4()))


@pytest.mark.sqlite_enough
class TestBrokerThatTakesNothing:
    @pytest.fixture
    def redis_process(self, redis_process):
        yield redis_process
        empty(redis_process)
        promote(redis_process)

    @pytest.mark.parametrize(
        ("fault", "result", "detail"),
        [
            (fill, "full", "The message broker is full: it has used all of its 'maxmemory'."),
            (make_read_only, "read-only", "The message broker is a read-only replica."),
            (take_queue, "taken", f"Another application takes messages from {TAKEN}."),
        ],
    )
    def test_is_not_ready(self, client, admin, redis_process, fault, result, detail):
        fault(redis_process)
        status, checks = ready(client, "")
        assert (status, checks["broker"]) == (503, result)
        assert problems(client) == {"broker": detail}
        queues = admin("GET", "/queues").json
        assert sum(queues["queues"]["crew_execution"].values()) == 0
        assert detail in [problem["detail"] for problem in queues["problems"]]

    @pytest.mark.settings(ACCEPT_WITHOUT_BROKER=True)
    def test_does_not_count_where_executions_are_queued_without_it(self, client, redis_process):
        fill(redis_process)
        status, checks = ready(client, "")
        assert (status, checks["broker"]) == (200, "full")

    def test_is_asked_by_a_write_which_is_not_repeated_for_each_request(
        self, client, redis_process
    ):
        with redis_process.client() as redis:
            redis.config_resetstat()
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: ready(client, ""), range(40)))
            assert {status for status, _ in answers} == {200}
            assert 1 <= redis.info("commandstats")["cmdstat_set"]["calls"] < 10


class TestReadOnlyDatabase:
    @pytest.mark.sqlite_enough
    def test_a_file(self, app, client, admin):
        engine = app.extensions["sqlalchemy"].engine
        sa.event.listen(engine, "connect", lambda link, _: link.execute("PRAGMA query_only = on"))
        engine.dispose()
        self.is_told(client, admin)

    @pytest.mark.postgresql
    def test_a_standby_server_until_it_is_promoted(self, app, client, admin, postgres):
        assert ready(client, "")[0] == 200
        with standby(app, postgres):
            self.is_told(client, admin)
        assert ready(client, "")[0] == 200

    def is_told(self, client, admin):
        status, checks = ready(client, "")
        assert (status, checks["database"]) == (503, "read-only")
        assert checks["workers:cleanup"] == "no worker"  # it can still be read
        assert problems(client) == {"database": "The database is read-only."}
        told = [problem["detail"] for problem in admin("GET", "/queues").json["problems"]]
        assert "The database is read-only." in told


@contextlib.contextmanager
def standby(app, postgres):
    """Restart the server as a standby, and at the end as a primary again."""
    mark = postgres.data / "standby.signal"
    engine = app.extensions["sqlalchemy"].engine
    mark.touch()
    engine.dispose()
    postgres.restart()
    try:
        yield
    finally:
        mark.unlink()
        engine.dispose()
        postgres.restart()


def test_a_stopped_database(app, client, tmp_path):
    app.extensions["sqlalchemy"].engine.dispose()
    with pytest.MonkeyPatch.context() as patch:
        nowhere = sa.create_engine(f"sqlite:///{tmp_path}/no/such/folder/db.sqlite")
        patch.setitem(app.extensions["sqlalchemy"].engines, None, nowhere)
        assert ready(client)[1]["database"] == "unreachable"
        nowhere.dispose()
