"""Retention policy: delete executions that ended long ago, or that exceed the number to keep."""

from __future__ import annotations

import datetime as dt
import math
import time
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import clock
from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import Models
from ..statuses import has_status
from ..statuses import TERMINAL
from . import database_clock
from .workers import delete_dead_workers

_BULK: t.Final = {"synchronize_session": False}
_NEVER: t.Final = dt.datetime.max.replace(tzinfo=dt.UTC)
MAX_GRAPHS: t.Final = 500
"""How many graphs one purge deletes at most."""


def retention_cutoff(
    app_state: AppState, age: dt.timedelta | None = None, count: int | None = None
) -> dt.datetime:
    """Return the time at or before which executions must have ended to be purged.

    :param age: how long executions are kept; ``CREWEXEC_KEEP_FOR`` if None.
    :param count: how many are kept at most; ``CREWEXEC_KEEP_COUNT`` if None.
    """
    keep_for = app_state.settings.keep_for if age is None else age
    keep_count = app_state.settings.keep_count if count is None else count
    if keep_count is None:
        with app_state.database.read_session() as session:
            return database_clock.read(session) - keep_for
    execution = app_state.models.execution
    newest = sa.select(execution.finished_at).where(execution.finished_at.is_not(None))
    query = newest.order_by(execution.finished_at.desc()).offset(keep_count).limit(1)
    with app_state.database.read_session() as session:
        oldest = database_clock.read(session) - keep_for
        surplus = clock.as_utc(session.scalar(query))
    return oldest if surplus is None else max(oldest, surplus)


def count_purgeable(app_state: AppState, until: dt.datetime) -> dict[str, int]:
    """Return how many rows :func:`purge` would delete."""
    models = app_state.models
    ids = sa.select(models.execution.id).where(_ended(models.execution, until))
    with app_state.database.read_session() as session:
        return {
            "executions": _count(session, ids),
            "steps": _count(session, _children(models.step, ids)),
            "events": _count(session, _children(models.event, ids)),
            "calls": _count(session, _children(models.call, ids)),
            "deliveries": _count(session, _children(models.delivery, ids)),
            "input_requests": _count(session, _children(models.input_request, ids)),
        }


def _children(model: t.Any, ids: sa.Select[t.Any]) -> sa.Select[t.Any]:
    return sa.select(model.execution_id).where(model.execution_id.in_(ids))


def _count(session: Session, query: sa.Select[t.Any]) -> int:
    return session.scalars(sa.select(sa.func.count()).select_from(query.subquery())).one()


def _ended(execution: type[ExecutionMixin], until: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(has_status(execution, *TERMINAL), execution.finished_at <= until)


def purge(app_state: AppState, until: dt.datetime, seconds: float = math.inf) -> int:
    """Delete executions that ended at or before *until*; return how many.

    Archived graphs without executions are deleted after ``CREWEXEC_KEEP_FOR``, and so are rows of
    dead workers. Each batch is a small transaction. Several purges may run at the same time.

    :param seconds: start no other batch after this time; the next purge continues.
    """
    purged = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (batch := _purge_executions(app_state, until)):
        purged += batch
    _purge_graphs(app_state, until)
    _purge_workers(app_state, until)
    return purged


def _purge_executions(app_state: AppState, until: dt.datetime) -> int:
    models = app_state.models
    execution = models.execution
    ended = _ended(execution, until)
    # Ordered, because PostgreSQL might otherwise scan the rows that were just deleted again.
    batch = sa.select(execution.id).where(ended).order_by(execution.finished_at)
    batch = batch.limit(app_state.settings.purge_batch_size)
    with app_state.database.write_transaction() as session:
        ids = session.scalars(batch.with_for_update(skip_locked=True)).all()
        # SQLite locks no rows, so executions that were retried in the meantime are excluded here.
        # With a bare column it would use the index of all that ended, and not that of the ids.
        unchanged = sa.func.coalesce(execution.finished_at, _NEVER) <= until
        session.execute(
            sa.delete(execution).where(execution.id.in_(ids), unchanged), execution_options=_BULK
        )
        _delete_orphans(session, models, ids)
    return len(ids)


def _delete_orphans(session: Session, models: Models, ids: Sequence[uuid.UUID]) -> None:
    """Delete rows of deleted executions; SQLite only cascades if foreign keys are switched on."""
    if session.get_bind().dialect.name == "postgresql":
        return
    remaining = sa.select(models.execution.id).where(models.execution.id.in_(ids))
    request, assignee = models.input_request, models.input_assignee
    ended = sa.and_(request.execution_id.in_(ids), request.execution_id.not_in(remaining))
    asked = sa.select(request.id).where(ended)
    session.execute(
        sa.delete(assignee).where(assignee.request_id.in_(asked)), execution_options=_BULK
    )
    for model in (models.event, models.call, models.step, models.delivery, request):
        gone = sa.and_(model.execution_id.in_(ids), model.execution_id.not_in(remaining))
        session.execute(sa.delete(model).where(gone), execution_options=_BULK)


def _purge_graphs(app_state: AppState, until: dt.datetime) -> None:
    """Delete graphs that were archived and have no executions any more.

    They are kept for ``CREWEXEC_KEEP_FOR``, so that they can be restored, however few executions
    are kept.
    """
    keep_for = app_state.settings.keep_for.total_seconds()
    graph, version, execution = (
        app_state.models.graph,
        app_state.models.graph_version,
        app_state.models.execution,
    )
    used = sa.exists().where(execution.graph_id == graph.id)
    is_old = graph.deleted_at < database_clock.seconds_from_now(-keep_for)
    unused = sa.and_(graph.deleted_at < until, is_old, ~used)
    with app_state.database.write_transaction() as session:
        batch = sa.select(graph.id).where(unused).limit(MAX_GRAPHS)
        ids = session.scalars(batch.with_for_update(skip_locked=True)).all()
        # SQLite locks no rows, so graphs that were restored in the meantime are excluded here.
        session.execute(sa.delete(graph).where(graph.id.in_(ids), unused), execution_options=_BULK)
        remaining = sa.select(graph.id).where(graph.id.in_(ids))
        gone = sa.and_(version.graph_id.in_(ids), version.graph_id.not_in(remaining))
        session.execute(sa.delete(version).where(gone), execution_options=_BULK)


def _purge_workers(app_state: AppState, until: dt.datetime) -> None:
    """Delete the rows of workers that died without deleting them."""
    stale_after = app_state.settings.stale_worker_after
    with app_state.database.write_transaction() as session:
        delete_dead_workers(session, app_state.models, until, stale_after)
