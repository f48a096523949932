"""Rows of worker processes. Every statement that reads or writes them is in this module."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..models import Models
from ..models import table_of
from ..models import WorkerMixin
from ..statuses import AfterDrain
from . import database_clock
from .transitions import update_one


class WorkerProcess(t.NamedTuple):
    """What a worker process reports with each heartbeat."""

    name: str
    pid: int
    incarnation: str | None
    queues: Sequence[str]
    pool: str
    concurrency: int
    version: str | None = None
    crewai_version: str | None = None
    id: uuid.UUID | None = None
    busy: int | None = None
    is_consuming: bool = True


class SeenWorker(t.NamedTuple):
    """A worker that has a row."""

    worker: WorkerMixin
    silent: float
    """Seconds since its last heartbeat."""


def record_heartbeat(
    session: Session, models: Models, process: WorkerProcess, uptime: float
) -> AfterDrain | None:
    """Insert or update the row of a worker, and store that it is alive now.

    :param uptime: seconds since it was started.
    :return: what this start of the worker does after its drain, if it is to be drained.
    """
    values = {
        **process._asdict(),
        "started_at": database_clock.seconds_from_now(-uptime),
        "seen_at": database_clock.now(),
    }
    table = table_of(models.worker)
    is_same = table.c.id == process.id
    kept = {
        name: sa.case((is_same, table.c[name]))
        for name in ("drain", "drain_requested_at", "drain_requested_by")
    }
    update = sa.update(table).where(table.c.name == process.name).values({**values, **kept})
    row = session.execute(update.returning(table.c.drain)).one_or_none()
    if row is None:
        session.execute(sa.insert(table).values(values))
        return None
    return None if row.drain is None else AfterDrain(row.drain)


def request_drain(
    session: Session, models: Models, worker_id: uuid.UUID, then: AfterDrain, by: str | None
) -> bool:
    """Let a worker take nothing new; False if there is none, or it was told the same before."""
    worker = models.worker
    statement = sa.update(worker).where(worker.id == worker_id, worker.drain.is_distinct_from(then))
    values = {
        "drain": then,
        "drain_requested_at": database_clock.now(),
        "drain_requested_by": by,
    }
    return update_one(session, statement.values(values))


def withdraw_drain(session: Session, models: Models, worker_id: uuid.UUID) -> bool:
    """Let a worker take tasks again; False if there is none, or it is not drained."""
    worker = models.worker
    statement = sa.update(worker).where(worker.id == worker_id, worker.drain.is_not(None))
    names = ("drain", "drain_requested_at", "drain_requested_by")
    return update_one(session, statement.values(dict.fromkeys(names)))


def retire(session: Session, models: Models, worker_id: uuid.UUID) -> bool:
    """Delete the row of a worker that was drained to stop; False if it was resumed before."""
    worker = models.worker
    is_told = (worker.id == worker_id, worker.drain == AfterDrain.STOP)
    return update_one(session, sa.delete(worker).where(*is_told))


def delete_worker(session: Session, models: Models, process: WorkerProcess) -> None:
    """Delete the row of a worker that stops, unless another process has taken its name."""
    worker = models.worker
    is_own = worker.incarnation.is_not_distinct_from(process.incarnation)
    session.execute(sa.delete(worker).where(worker.name == process.name, is_own))


def delete_dead_workers(
    session: Session, models: Models, until: dt.datetime, stale_after: float
) -> None:
    """Delete the rows of workers that died before *until* without deleting them."""
    worker = models.worker
    is_dead = worker.seen_at < database_clock.seconds_from_now(-stale_after)
    statement = sa.delete(worker).where(worker.seen_at < until, is_dead)
    session.execute(statement, execution_options={"synchronize_session": False})


def live_workers(app_state: AppState) -> Sequence[WorkerMixin]:
    """Return the workers whose last heartbeat is recent, by name."""
    worker = app_state.models.worker
    oldest = database_clock.seconds_from_now(-app_state.settings.stale_worker_after)
    with app_state.database.read_session() as session:
        query = sa.select(worker).where(worker.seen_at >= oldest).order_by(worker.name)
        return session.scalars(query).all()


def find_worker(app_state: AppState, worker_id: uuid.UUID) -> SeenWorker | None:
    """Return a worker that has a row, alive or not."""
    worker = app_state.models.worker
    query = sa.select(worker, database_clock.seconds_since(worker.seen_at))
    with app_state.database.read_session() as session:
        row = session.execute(query.where(worker.id == worker_id)).one_or_none()
    return None if row is None else SeenWorker(row[0], max(0.0, row[1]))


def known_workers(app_state: AppState, limit: int) -> list[SeenWorker]:
    """Return the workers that have a row, alive or not, those seen last first."""
    worker = app_state.models.worker
    query = sa.select(worker, database_clock.seconds_since(worker.seen_at))
    query = query.order_by(worker.seen_at.desc(), worker.name).limit(limit)
    with app_state.database.read_session() as session:
        return [SeenWorker(row, max(0.0, silent)) for row, silent in session.execute(query)]


def worker_slots(
    models: Models, queue: str, seen_since: sa.ColumnElement[dt.datetime]
) -> sa.ScalarSelect[int]:
    """Return the SQL for how many tasks the workers of a *queue* can run at once.

    Those that are drained take none.
    """
    worker = models.worker
    consumes = sa.cast(worker.queues, sa.Text).contains(f'"{queue}"', autoescape=True)
    slots = sa.select(sa.func.coalesce(sa.func.sum(worker.concurrency), 0))
    is_live = (worker.seen_at >= seen_since, worker.drain.is_(None))
    return slots.where(*is_live, consumes).scalar_subquery()
