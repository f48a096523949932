"""Whatever crashes, handlers are told everything that was committed, in order, and nothing else."""

from __future__ import annotations

import datetime as dt
import sys
import typing as t
import uuid
from collections import Counter

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging.broker import queue_depths
from flask_crewexec.schemas.notifications import notification_type
from flask_crewexec.storage import transitions
from flask_crewexec.tasks import notifications
from support.graphs import documents
from support.in_process import change
from support.in_process import run
from support.paths import TESTS
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn
from support.servers.postgres import postgres_server
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
SEVERAL = 12
THREADS = 4
"""How many notifications a process delivers at the same time, by default."""


@pytest.fixture(autouse=True)
def _handler(monkeypatch):
    monkeypatch.setenv("TOLD", "*")


@pytest.fixture
def deliver(app):
    """Deliver everything, also what is put off or claimed by a process that has died."""

    def deliver() -> None:
        delivery = current_app_state().models.delivery
        overdue = sa.update(delivery).values(due_at=LONG_AGO)
        while True:
            with current_app_state().database.write_transaction() as session:
                session.execute(overdue)
            if not notifications.handle({})["tried"]:
                return

    return deliver


@pytest.fixture
def told(app):
    """A function that returns what the handler was told, in order: ids of events and types."""

    def told() -> list[tuple[str, str]]:
        session = app.extensions["sqlalchemy"].session
        rows = session.execute(sa.text("select text from note order by id")).scalars().all()
        session.rollback()
        return [tuple(row.split()) for row in rows if "." in row]

    return told


def to_be_told(id: str) -> list[tuple[str, str]]:
    """What the history has to tell."""
    event = current_app_state().models.event
    query = sa.select(event).where(event.execution_id == uuid.UUID(id)).order_by(event.seq)
    with current_app_state().database.read_session() as session:
        rows = session.scalars(query).all()
    types = [(f"{id}.{row.seq}", notification_type(row.type, row.data)) for row in rows]
    return [(key, type) for key, type in types if type is not None]


def in_order(told: list[tuple[str, str]], id: str) -> list[tuple[str, str]]:
    """What was told of an execution, without repetitions."""
    return [*dict.fromkeys(each for each in told if each[0].startswith(id))]


class TestKilledRun:
    """A process is killed before and after each of its writes."""

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_everything_is_told(
        self, app, api, model, environment, fork_server, reconcile, deliver, told, when
    ):
        model.on("Do a", "ALPHA").on("Do b", "BETA")
        variables = {**environment, "PYTHONPATH": str(TESTS), "TOLD": "*"}
        ids = []
        for at in range(6):
            id = api.queue(documents.chain("a", "b"))
            command = [sys.executable, "-m", "support.killed_run", id, str(at), when]
            if fork_server.run(command, environment=variables).returncode != 0:
                change(id, lease_expires_at=LONG_AGO)
            ids.append(id)
        assert any(api.status(id)["status"] == "running" for id in ids), "none was killed"
        self._finish(api, reconcile, ids)
        deliver()
        for id in ids:
            assert in_order(told(), id) == to_be_told(id)
        assert max(Counter(told()).values()) == 1

    def _finish(self, api, reconcile, ids):
        reconcile()
        for id in ids:
            status = api.status(id)
            if status["status"] == "queued":
                assert run(id, attempt=status["attempt"]) == "completed"
            assert api.status(id)["status"] == "completed"


class TestWorkers:
    def test_one_that_dies_while_it_tells_leaves_it_to_others(
        self, app, api, model, start_worker, tmp_path, told, reconcile
    ):
        model.on("Do a", "ALPHA")
        dying = start_worker({"DIE_WHEN_TOLD": str(tmp_path / "died")}, pool="threads")
        id = api.queue(documents.chain("a"))
        wait_until(lambda: not dying.running, what="its death")
        release_claims()
        start_worker(pool="threads")

        def all_told() -> bool:
            reconcile()
            return api.status(id)["status"] == "completed" and count("waiting") == 0

        wait_until(all_told, what="all notifications")
        assert in_order(told(), id) == to_be_told(id)
        assert max(Counter(told()).values()) == 2

    def test_several_tell_everything_once(self, app, api, model, start_worker, told):
        model.on("Do a", "ALPHA")
        for pool in ("threads", "prefork"):
            start_worker(pool=pool, concurrency=2)
        ids = [api.queue(documents.chain("a")) for _ in range(SEVERAL)]

        def all_told() -> bool:
            ended = all(api.status(id)["status"] == "completed" for id in ids)
            return ended and count("waiting") == 0

        wait_until(all_told, what="all notifications")
        assert all(in_order(told(), id) == to_be_told(id) for id in ids)
        assert max(Counter(told()).values()) == 1

    def test_a_receiver_that_hangs_takes_no_place_of_a_crew(
        self, app, api, model, start_worker, tmp_path, told
    ):
        model.on("Do a", "ALPHA")
        path = tmp_path / "answer"
        start_worker({"WAIT_WHEN_TOLD": str(path)}, concurrency=1)
        first = api.queue(documents.chain("a"))
        wait_until(lambda: told() != [], what="the handler's wait")
        second = api.queue(documents.chain("a"))
        wait_until(lambda: api.status(second)["status"] == "completed", what="the second crew")
        assert len(told()) <= THREADS
        path.touch()
        wait_until(
            lambda: all(in_order(told(), id) == to_be_told(id) for id in (first, second)),
            what="all notifications",
        )

    @pytest.mark.parametrize("pool", ["threads", "prefork"])
    @pytest.mark.sqlite_enough
    def test_a_worker_whose_places_are_taken_tells_what_it_does(
        self, app, api, model, start_worker, tmp_path, told, pool
    ):
        path = tmp_path / "answer"
        waits = Turn(raw=tool_calls(("wait_for_file", {"path": str(path)})), results=0)
        model.add(waits, Turn(reply="DONE", results=1))
        start_worker(pool=pool, concurrency=1)
        id = api.queue(documents.chain("a", tools=("wait_for_file",)))
        wait_until(lambda: len(told()) == 2, what="the start's notification")
        assert api.status(id)["status"] == "running"
        path.touch()
        wait_until(lambda: in_order(told(), id) == to_be_told(id) and count("waiting") == 0)

    @pytest.mark.settings(NOTIFICATION_QUEUE="tell")
    def test_a_queue_of_their_own(self, app, api, model, start_worker, told):
        model.on("Do a", "ALPHA")
        start_worker(pool="threads")
        id = api.queue(documents.chain("a"))
        wait_until(lambda: api.status(id)["status"] == "completed", what="the crew")
        wait_until(lambda: sum(queue_depths(current_app_state())["tell"].values()), what="messages")
        assert told() == []
        start_worker(pool="threads", queues=("tell",))
        wait_until(lambda: in_order(told(), id) == to_be_told(id), what="all notifications")


@pytest.mark.postgresql
class TestDatabase:
    @pytest.fixture
    def postgres(self):
        """A server of our own, since we stop it."""
        with postgres_server() as process:
            yield process

    def test_one_that_is_away_after_a_call_lets_it_be_repeated(
        self, app, api, model, postgres, deliver
    ):
        told = []

        @app.extensions["crewexec_host"].on("execution.completed", name="stops the database")
        def stop_at_first(notification):
            told.append(notification.id)
            if len(told) == 1:
                postgres.stop()

        model.on("Do a", "ALPHA")
        id = api.queue(documents.chain("a"))
        assert run(id) == "completed"
        with pytest.raises(sa.exc.OperationalError):
            deliver()
        postgres.start()
        app.extensions["sqlalchemy"].engine.dispose()
        deliver()
        (completed, _) = to_be_told(id)[-1]
        assert told == [completed] * 2
        assert count("waiting") == 0


class TestBroker:
    @pytest.fixture
    def redis_process(self, tmp_path):
        """A server of our own, since we stop it."""
        with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
            yield process

    def test_while_it_is_away_what_happens_is_kept(
        self, app, api, model, redis_process, deliver, told
    ):
        model.on("Do a", "ALPHA")
        id = api.queue(documents.chain("a"))
        redis_process.stop()
        assert run(id) == "completed"
        assert count("waiting") == 4
        redis_process.start()
        deliver()
        assert in_order(told(), id) == to_be_told(id)

    def test_nobody_is_told_of_a_submission_that_was_undone(
        self, app, api, redis_process, deliver, told
    ):
        graph = api.graph(documents.chain("a"))
        redis_process.stop()
        answer = api("POST", "/executions", json={"graph_id": graph})
        assert answer.status_code == 503
        deliver()
        assert told() == []

    def test_nobody_is_told_of_a_retry_that_was_undone(
        self, app, api, model, redis_process, deliver, told
    ):
        model.on("Do a", status=401)
        id = api.queue(documents.chain("a"))
        assert run(id) == "failed"
        deliver()
        redis_process.stop()
        before = told()
        assert api("POST", f"/executions/{id}/retry").status_code == 503
        deliver()
        assert told() == before
        assert api.status(id)["status"] == "failed"

    def test_what_was_told_is_not_undone(self, app, api, redis_process, deliver, told):
        """A web server that was frozen comes too late to undo its submission."""
        app_state = current_app_state()
        id = api.queue(documents.chain("a"))
        deliver()
        with app_state.database.write_transaction() as session:
            assert not transitions.delete_unpublished(session, app_state.models, uuid.UUID(id))
        assert api.status(id)["status"] == "queued"
        assert [type for _, type in told()] == ["execution.queued"]


def release_claims() -> None:
    """Let the time pass after which claims of a dead process end."""
    delivery = current_app_state().models.delivery
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.update(delivery).values(due_at=LONG_AGO))


def count(status: str) -> int:
    delivery = current_app_state().models.delivery
    query = sa.select(sa.func.count()).where(delivery.status == status)
    with current_app_state().database.read_session() as session:
        return t.cast(int, session.scalar(query))
