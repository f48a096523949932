"""Rows of worker processes. Every statement that reads or writes them is in this module."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import clock
from ..app_state import AppState
from ..models import Models
from ..models import WorkerMixin


class WorkerProcess(t.NamedTuple):
    """What a worker process reports with each heartbeat."""

    name: str
    pid: int
    queues: Sequence[str]
    pool: str
    concurrency: int
    started_at: dt.datetime


def record_heartbeat(session: Session, models: Models, process: WorkerProcess) -> None:
    """Insert or update the row of a worker, and store that it is alive now."""
    session.merge(models.worker(**process._asdict(), seen_at=clock.now()))


def delete_worker(session: Session, models: Models, name: str) -> None:
    """Delete the row of a worker that stops."""
    worker = models.worker
    session.execute(sa.delete(worker).where(worker.name == name))


def delete_workers_unseen_since(session: Session, models: Models, moment: dt.datetime) -> None:
    """Delete the rows of workers that died without deleting them."""
    worker = models.worker
    statement = sa.delete(worker).where(worker.seen_at < moment)
    session.execute(statement, execution_options={"synchronize_session": False})


def live_workers(app_state: AppState) -> Sequence[WorkerMixin]:
    """Return the workers whose last heartbeat is recent, by name."""
    worker = app_state.models.worker
    oldest = clock.now() - dt.timedelta(seconds=app_state.settings.stale_worker_after)
    with app_state.database.read_session() as session:
        query = sa.select(worker).where(worker.seen_at >= oldest).order_by(worker.name)
        return session.scalars(query).all()


def known_workers(app_state: AppState, limit: int) -> Sequence[WorkerMixin]:
    """Return the workers that have a row, alive or not, those seen last first."""
    worker = app_state.models.worker
    query = sa.select(worker).order_by(worker.seen_at.desc(), worker.name).limit(limit)
    with app_state.database.read_session() as session:
        return session.scalars(query).all()


def worker_slots(
    models: Models, queue: str, seen_since: sa.ColumnElement[dt.datetime]
) -> sa.ScalarSelect[int]:
    """Return the SQL for how many tasks the workers of a *queue* can run at once."""
    worker = models.worker
    consumes = sa.cast(worker.queues, sa.Text).like(f'%"{queue}"%')
    slots = sa.select(sa.func.coalesce(sa.func.sum(worker.concurrency), 0))
    return slots.where(worker.seen_at >= seen_since, consumes).scalar_subquery()
