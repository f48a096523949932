"""Events that happen at the same time, and transactions that never end."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.runtime.run_control import RunControl
from flask_crewexec.runtime.stop_reasons import RunCancelled
from flask_crewexec.services.async_execution_service import AsyncExecutionService
from flask_crewexec.statuses import ExecutionStatus
from flask_crewexec.storage import database_clock
from flask_crewexec.storage import transitions
from flask_crewexec.storage.retention import purge
from support.graphs import documents
from support.in_process import change
from support.in_process import running
from support.servers.processes import wait_until

UNWATCHED = pytest.mark.settings(POLL_INTERVAL=100.0, LEASE_SECONDS=1000.0)
"""The watchdog does not poll within the time of a test."""


class TestGuards:
    def test_a_stop_during_the_check_is_not_lost(self):
        def ask() -> None:
            guards.stop(RunCancelled("meanwhile"))

        guards = RunControl(ask, ask, ask, ask)
        with pytest.raises(RunCancelled):
            guards.before_call()


@UNWATCHED
class TestCancelDuringTheLastCall:
    @pytest.mark.parametrize("status", [429, 400], ids=["passing", "lasting"])
    def test_it_wins_over_the_error(self, app, api, model, status):
        gate = threading.Event()
        model.on(status=status, hold=gate)
        id = api.queue(documents.chain("a"))
        with running(app, id) as outcomes:
            model.wait_for_calls(1)
            assert api("POST", f"/executions/{id}/cancel").status_code == 202
            gate.set()
        assert outcomes == ["cancelled"]
        assert api.status(id)["next_attempt_at"] is None


@pytest.mark.postgresql
class TestLockedRows:
    def test_a_cancellation_waits_for_the_worker_that_releases_the_execution(self, app, api):
        id = api.queue(documents.chain("a"))
        change(id, status=ExecutionStatus.RUNNING)
        cancel = in_thread(app, lambda: AsyncExecutionService().cancel_task(id))
        with cancel as answers, locking(id) as session:
            answers.begin()
            wait_until(anyone_waits_for_a_lock, what="the cancel to wait")
            execution = current_app_state().models.execution
            session.execute(sa.update(execution).values(status=ExecutionStatus.QUEUED, attempt=2))
        assert answers == [True]
        assert api.status(id)["status"] == "cancelled"

    def test_a_locked_row_does_not_block_the_recovery_of_others(self, api, reconcile):
        frozen, other = (api.queue(documents.chain("a")) for _ in range(2))
        for id in (frozen, other):
            late = {"lease_expires_at": database_clock.seconds_from_now(-1), "token": uuid.uuid4()}
            change(id, status=ExecutionStatus.RUNNING, **late)
        with locking(frozen):
            assert reconcile()["taken_over"] == 1
        assert api.status(other)["status"] == "queued"
        assert reconcile()["taken_over"] == 1


class locking:
    """Lock the row of an execution in a transaction, as a hung process does."""

    def __init__(self, id: str) -> None:
        self._id = id

    def __enter__(self):
        execution = current_app_state().models.execution
        self._session = Session(current_app_state().database.engine)
        query = sa.select(execution.id).where(execution.id == uuid.UUID(self._id))
        self._session.execute(query.with_for_update())
        return self._session

    def __exit__(self, *_: object) -> None:
        self._session.commit()
        self._session.close()


class in_thread(list[object]):
    """Call a function in a thread when told to, and collect what it returns."""

    def __init__(self, app: Flask, action: Callable[[], object]) -> None:
        super().__init__()

        def work() -> None:
            with app.app_context():
                self.append(action())

        self._thread = threading.Thread(target=work)
        self.begin = self._thread.start

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(60)


def anyone_waits_for_a_lock() -> bool:
    query = sa.text(
        "select count(*) from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )
    with current_app_state().database.read_session() as session:
        return bool(session.scalar(query))


class TestLateCalls:
    def test_a_revocation_of_an_earlier_attempt_cancels_nothing(self, api):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        api("POST", f"/executions/{id}/retry")
        assert AsyncExecutionService().cancel_task(id, attempt=1) is False
        assert api.status(id)["status"] == "queued"

    def test_an_execution_that_another_client_was_answered_with_is_not_deleted(self, api):
        headers = {"Idempotency-Key": "k"}
        graph = api.graph(documents.chain("a"))
        first = api("POST", "/executions", json={"graph_id": graph}, headers=headers).json["id"]
        with current_app_state().database.write_transaction() as session:
            assert not transitions.delete_unpublished(
                session, current_app_state().models, uuid.UUID(first)
            )
        assert api.status(first)["status"] == "queued"

    def test_an_execution_that_a_worker_has_put_on_hold_is_not_deleted(self, api):
        """Another submission with the same key may have been answered with it."""
        graph = api.graph(documents.chain("a"))
        order = {"json": {"graph_id": graph}, "headers": {"Idempotency-Key": "k"}}
        first = api("POST", "/executions", **order).json["id"]
        change(first, published_at=None, on_hold=True)
        assert api("POST", "/executions", **order).json["id"] == first
        with current_app_state().database.write_transaction() as session:
            assert not transitions.delete_unpublished(
                session, current_app_state().models, uuid.UUID(first)
            )
        assert api.status(first)["status"] == "queued"

    def test_a_purge_of_everything_keeps_live_workers(self, app):
        app_state = current_app_state()
        now = clock.now()
        with app_state.database.write_transaction() as session:
            session.add(
                app_state.models.worker(
                    name="w",
                    pid=1,
                    queues=[],
                    pool="solo",
                    concurrency=1,
                    started_at=now,
                    seen_at=now,
                )
            )
        purge(app_state, clock.now())
        with app_state.database.read_session() as session:
            assert session.get(app_state.models.worker, "w") is not None
