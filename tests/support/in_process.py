"""Attempts that run in this process, and what the database has about them."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from flask import Flask

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.models import CallMixin
from flask_crewexec.tasks import execution


def run(id: str, **event: object) -> str:
    """Run an attempt and return what came of it."""
    return t.cast(str, execution.handle({"execution_id": id, **event})["outcome"])


@contextlib.contextmanager
def running(app: Flask, id: str) -> Iterator[list[str]]:
    """Run an execution in another thread; at the end, wait for it.

    :return: afterwards it holds what came of it, or the name of the error.
    """

    def work() -> None:
        with app.app_context():
            try:
                outcomes.append(run(id))
            except Exception as error:  # noqa: BLE001 - for the test to judge
                outcomes.append(type(error).__name__)

    outcomes: list[str] = []
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield outcomes
    finally:
        thread.join(60)
    assert not thread.is_alive()


def at_once(app: Flask, *actions: Callable[[], t.Any]) -> list[t.Any]:
    """Do several things at the same time, each in a thread; return what came of them."""
    barrier = threading.Barrier(len(actions))

    def do(action: Callable[[], t.Any]) -> t.Any:
        with app.app_context():
            barrier.wait(30)
            return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(do, actions))


def column(id: str, name: str) -> t.Any:
    """Read one column of the execution's row."""
    return ask(id, getattr(current_app_state().models.execution, name))


def ask(id: str, expression: sa.ColumnElement[t.Any]) -> t.Any:
    """Let the database evaluate an expression about the execution."""
    execution = current_app_state().models.execution
    query = sa.select(expression).where(execution.id == uuid.UUID(id))
    with current_app_state().database.read_session() as session:
        return session.execute(query).scalar_one()


def stored_calls(id: str) -> list[CallMixin]:
    """The execution's calls, in their order."""
    call = current_app_state().models.call
    query = sa.select(call).where(call.execution_id == uuid.UUID(id)).order_by(call.number)
    with current_app_state().database.read_session() as session:
        return list(session.scalars(query))


@contextlib.contextmanager
def loaded_rows(model: type[t.Any]) -> Iterator[list[t.Any]]:
    """Collect the rows of a model that the database sends in the block, as often as it does."""

    def note(row: object, context: object) -> None:
        rows.append(row)

    rows: list[t.Any] = []
    sa.event.listen(model, "load", note)
    try:
        yield rows
    finally:
        sa.event.remove(model, "load", note)


def change(id: str, **values: object) -> None:
    """Change the execution's row behind the back of its worker."""
    execution = current_app_state().models.execution
    statement = sa.update(execution).where(execution.id == uuid.UUID(id)).values(**values)
    with current_app_state().database.write_transaction() as session:
        session.execute(statement)


def copy_of(id: str, moment: dt.datetime) -> str:
    """Copy an execution's row, as if it was queued at that moment; ids begin with their time."""
    key = uuid.UUID(int=int(moment.timestamp() * 1000) << 80)
    execution = current_app_state().models.execution
    with current_app_state().database.write_transaction() as session:
        row = session.get_one(execution, uuid.UUID(id))
        columns = sa.inspect(execution).column_attrs
        copied = {column.key: getattr(row, column.key) for column in columns}
        copied.update(id=key, created_at=moment, queued_at=moment)
        session.add(execution(**copied))
    return str(key)


def insert_worker(app: Flask, slots: int = 1_000) -> None:
    """Insert the row of a live worker, by default with slots for everything."""
    app_state, now = app.extensions["crewexec"], clock.now()
    described = {
        "pid": 1,
        "queues": ["crew_execution"],
        "pool": "threads",
        "concurrency": slots,
    }
    with app_state.database.write_transaction() as session:
        row = app_state.models.worker(
            name="w@host", id=uuid.uuid4(), started_at=now, seen_at=now, **described
        )
        session.add(row)


def end_of_watch() -> None:
    """Wait for the thread that looked after runs: its connection would outlive the pool."""
    for thread in threading.enumerate():
        if thread.name == "crewexec-watchdog":
            thread.join(10)


def close_connections(engine: sa.Engine) -> None:
    """Close an engine's connections, those that threads still use as soon as they return them."""

    def close(connection: t.Any, record: object) -> None:
        if connection is not None:
            connection.close()

    pool = engine.pool
    engine.dispose()  # the next pool listens to what this one listens to
    sa.event.listen(pool, "checkin", close)
