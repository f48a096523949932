"""A database that restarts, drops connections, loses its answers or is full."""

from __future__ import annotations

import contextlib
import threading

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from flask_crewexec.app_state import current_app_state
from flask_crewexec.runtime import recorder
from flask_crewexec.runtime.recorder import RunRecorder
from support.api_client import problem
from support.graphs import documents
from support.in_process import close_connections
from support.in_process import column
from support.in_process import run
from support.in_process import running
from support.servers.postgres import postgres_server
from support.servers.processes import wait_until

ONE_RUN = [
    "queued",
    "started",
    *2 * ["step_started", "model_call_started", "model_call_completed", "step_completed"],
    "completed",
]
"""The history of a run of two steps in which nothing was doubled or lost."""


@pytest.fixture
def postgres():
    """A server of our own, since others use the one of the session."""
    with postgres_server() as process:
        yield process


@pytest.fixture
def gate(model):
    """Holds back the answer of the second step."""
    gate = threading.Event()
    model.on("Do a", "ALPHA").on("Do b", "BETA", hold=gate)
    return gate


def ran_once(api, model, id):
    status = api.status(id)
    assert [step["output"] for step in status["steps"]] == ["ALPHA", "BETA"]
    assert (status["status"], status["attempt"]) == ("completed", 1)
    assert (status["retries"], status["lost_attempts"]) == (0, 0)
    assert status["usage"]["llm_calls"] == len(model.calls) == 2
    assert [step["usage"]["llm_calls"] for step in status["steps"]] == [1, 1]
    tokens = [step["usage"]["total_tokens"] for step in status["steps"]]
    assert status["usage"]["total_tokens"] == sum(tokens)
    assert api.event_types(id) == ONE_RUN


def wait_for_second_try(caplog):
    wait_until(lambda: "unavailable; retrying" in caplog.text, what="a retry")


@pytest.mark.settings(LEASE_SECONDS=100.0, DATABASE_RETRY_SECONDS=60.0)
@pytest.mark.postgresql
class TestPostgres:
    def test_a_run_waits_for_a_server_that_restarts(self, app, api, model, gate, postgres, caplog):
        id = api.queue(documents.chain("a", "b"))
        with running(app, id) as outcomes:
            model.wait_for_calls(2)
            postgres.stop()
            gate.set()
            wait_for_second_try(caplog)
            postgres.start()
        assert outcomes == ["completed"]
        forget_connections()
        ran_once(api, model, id)

    def test_a_run_survives_the_loss_of_all_connections(self, app, api, model, gate, postgres):
        id = api.queue(documents.chain("a", "b"))
        with running(app, id) as outcomes:
            model.wait_for_calls(2)
            hang_up(postgres)
            gate.set()
        assert outcomes == ["completed"]
        forget_connections()
        ran_once(api, model, id)

    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_a_worker_survives_a_restart_of_the_server(
        self, start_worker, api, model, gate, postgres, pool
    ):
        worker = start_worker(pool=pool)
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(2)
        postgres.stop()
        gate.set()
        wait_until(lambda: "unavailable; retrying" in worker.log_text(), what="a retry")
        postgres.start()
        forget_connections()
        wait_until(lambda: api.status(id)["status"] == "completed", what="the end of the run")
        ran_once(api, model, id)
        id = api.queue(documents.chain("a"))
        wait_until(lambda: api.status(id)["status"] == "completed", what="another run")

    @pytest.mark.settings(LEASE_SECONDS=1.0, DATABASE_RETRY_SECONDS=0.2)
    def test_a_run_is_given_up_after_too_long_and_resumed_later(
        self, app, api, model, gate, postgres, settle
    ):
        id = api.queue(documents.chain("a", "b"))
        with running(app, id) as outcomes:
            model.wait_for_calls(2)
            postgres.stop()
            gate.set()
        assert outcomes == ["OperationalError"]
        postgres.start()
        forget_connections()
        assert settle(id, "queued")["lost_attempts"] == 1
        assert run(id) == "completed"
        assert len(model.calls_matching("Do a")) == 1
        assert len(model.calls_matching("Do b")) == 2

    @pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=0.05)
    def test_a_stream_ends_early_so_that_its_client_reconnects(self, api, postgres):
        id = api.queue(documents.chain("a"))
        headers = {"Accept": "text/event-stream"}
        answer = api("GET", f"/executions/{id}/events", headers=headers, buffered=False)
        frames = iter(answer.response)
        while b"id: 1\n" not in next(frames):
            pass
        postgres.stop()
        assert not any(b"event: end" in frame for frame in frames)
        postgres.start()
        forget_connections()


def forget_connections():
    """Let the requests of the test itself begin with new connections."""
    close_connections(current_app_state().database.engine)


def connect(postgres):
    return psycopg.connect(
        host=str(postgres.data), user="postgres", dbname="postgres", autocommit=True
    )


def hang_up(postgres):
    """End all connections but the one that asks for it."""
    with connect(postgres) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and backend_type = 'client backend'"
        )


@pytest.fixture
def only_reads(app, postgres):
    """A context in which the database only reads, with any new connection."""

    @contextlib.contextmanager
    def only_reads():
        name = current_app_state().database.engine.url.database
        alter = f"ALTER DATABASE {name} {{}} default_transaction_read_only{{}}"
        with connect(postgres) as connection:
            connection.execute(alter.format("SET", " = on"))
            forget_connections()
            yield
            connection.execute(alter.format("RESET", ""))

    return only_reads


@pytest.mark.postgresql
class TestReadOnly:
    def test_requests_are_told_to_come_again(self, app, api, only_reads):
        id = api.queue(documents.chain("a"))
        graph = api.graph(documents.chain("a"))
        with only_reads():
            for method, path, body in (
                ("POST", "/executions", {"graph_id": graph}),
                ("POST", f"/executions/{id}/cancel", {}),
                ("POST", "/graphs", documents.chain("b")),
            ):
                answer = api(method, path, json=body)
                assert problem(answer, 503, "database-unavailable")["detail"].startswith(
                    "The database accepts no changes"
                )
                assert answer.headers["Retry-After"]
            assert api.status(id)["status"] == "queued"
        # Sessions that began in the meantime still only read.
        wait_until(lambda: api("POST", "/graphs", json=documents.chain("b")).status_code == 201)
        api.queue(documents.chain("a"))

    @pytest.mark.settings(LEASE_SECONDS=100.0, DATABASE_RETRY_SECONDS=60.0)
    def test_a_run_waits_until_it_can_store_its_results(
        self, app, api, model, gate, only_reads, caplog
    ):
        id = api.queue(documents.chain("a", "b"))
        with running(app, id) as outcomes:
            model.wait_for_calls(2)
            with only_reads():
                gate.set()
                wait_for_second_try(caplog)
        assert outcomes == ["completed"]
        ran_once(api, model, id)


@pytest.fixture
def lost_answers(monkeypatch):
    """Each first commit of a write succeeds, but its answer is lost."""

    def store(self, *arguments):
        real(self, *arguments)
        if (self._lease.token, self._write_number) not in lost:
            lost.append((self._lease.token, self._write_number))
            raise OperationalError("COMMIT", {}, OSError("the answer was lost"))

    lost: list[object] = []
    real = RunRecorder._store
    monkeypatch.setattr(RunRecorder, "_store", store)
    return lost


class TestLostAnswers:
    def test_a_committed_write_is_not_repeated(self, api, model, gate, lost_answers):
        gate.set()
        id = api.queue(documents.chain("a", "b"))
        assert run(id) == "completed"
        assert len(lost_answers) > 3
        ran_once(api, model, id)

    @pytest.mark.settings(RETRY_DELAY=100)
    def test_a_retry_is_counted_once(self, api, model, lost_answers):
        model.on(status=500)
        id = api.queue(documents.chain("a"))
        assert run(id) == "retrying"
        status = api.status(id)
        assert (status["status"], status["attempt"], status["retries"]) == ("retrying", 2, 1)
        assert api.event_types(id).count("retrying") == 1
        assert status["usage"]["llm_calls"] == len(model.calls) == 1

    def test_a_write_committed_before_the_retries_ended_is_not_taken_for_the_next_one(
        self, api, model, gate, lost_answers_for_long
    ):
        gate.set()
        id = api.queue(documents.chain("a", "b"))
        assert run(id) == "retrying"
        status = api.status(id)
        assert (status["status"], status["attempt"]) == ("retrying", 2)
        assert api.event_types(id).count("model_call_started") == 1


@pytest.fixture
def lost_answers_for_long(monkeypatch):
    """The database becomes unavailable, for longer than a run waits, right after a commit."""

    def store(self, batch):
        real(self, batch)
        if self._write_number != 1 or lost:  # the end of the first step
            return
        lost.append(batch)
        raise OperationalError("COMMIT", {}, OSError("the answer was lost"))

    lost: list[object] = []
    real = RunRecorder._store
    monkeypatch.setattr(RunRecorder, "_store", store)
    monkeypatch.setattr(recorder, "retry_while_unavailable", lambda action, seconds: action())


class TestOutdatedSchema:
    @pytest.mark.parametrize(
        ("table", "name", "calls"),
        [
            ("step", "output", 1),
            ("step", "started_at", 1),
            ("execution", "result", 2),
            ("call", "request", 1),
        ],
    )
    def test_a_run_fails_at_once_and_names_the_column(self, api, model, gate, table, name, calls):
        gate.set()
        id = api.queue(documents.chain("a", "b"))
        with current_app_state().database.engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE crewexec_{table} RENAME {name} TO former")
        assert run(id, attempt=1) == "failed"
        error = column(id, "error")
        assert error["code"] == "schema-outdated"
        assert "no column" in error["message"]
        assert name in error["message"]
        assert len(model.calls) == calls
        assert column(id, "llm_calls") >= calls
        assert run(id, attempt=1) == "not-claimed"


class Room:
    """How many pages the SQLite database may have."""

    def __init__(self) -> None:
        self.is_full = False

    def apply(self, connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        limit = pages if self.is_full else 2**30
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")


@pytest.fixture
def room(app):
    """The size limit of the database, applied at the start of each transaction."""
    room = Room()
    engine = current_app_state().database.engine
    sa.event.listen(engine, "begin", room.apply)
    yield room
    sa.event.remove(engine, "begin", room.apply)


@pytest.mark.settings(LEASE_SECONDS=100.0, DATABASE_RETRY_SECONDS=60.0)
@pytest.mark.sqlite_enough
class TestFull:
    def test_a_run_waits_until_the_full_database_has_space(self, app, api, model, room, caplog):
        gate = threading.Event()
        long = "x" * 100_000
        model.on("Do a", long, hold=gate).on("Do b", "BETA")
        id = api.queue(documents.chain("a", "b"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            room.is_full = True
            gate.set()
            wait_for_second_try(caplog)
            room.is_full = False
        assert outcomes == ["completed"]
        status = api.status(id)
        assert [step["output"] for step in status["steps"]] == [long, "BETA"]
        assert status["usage"]["llm_calls"] == len(model.calls) == 2
        assert api.event_types(id) == ONE_RUN
