"""Keep the tables small: remove what ended long ago, or is more than is kept."""

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
from .workers import delete_workers_unseen_since

BULK: t.Final = {"synchronize_session": False}
MAX_GRAPHS: t.Final = 500
"""How many graphs one purge removes."""


def retention_cutoff(
    app_state: AppState, age: dt.timedelta | None = None, count: int | None = None
) -> dt.datetime:
    """Return the moment up to which ended executions go.

    :param age: keep what is younger; ``CREWEXEC_KEEP_FOR`` if None.
    :param count: and no more than so many; ``CREWEXEC_KEEP_COUNT`` if None.
    """
    kept_for = app_state.settings.keep_for if age is None else age
    kept = app_state.settings.keep_count if count is None else count
    old = clock.now() - kept_for
    if kept is None:
        return old
    execution = app_state.models.execution
    newest = sa.select(execution.finished_at).where(execution.finished_at.is_not(None))
    query = newest.order_by(execution.finished_at.desc()).offset(kept).limit(1)
    with app_state.database.read_session() as session:
        surplus = clock.as_utc(session.scalar(query))
    return old if surplus is None else max(old, surplus)


def count_purgeable(app_state: AppState, until: dt.datetime) -> dict[str, int]:
    """Return how much :func:`purge` would remove."""
    models = app_state.models
    ids = sa.select(models.execution.id).where(_ended(models.execution, until))
    with app_state.database.read_session() as session:
        return {
            "executions": _count(session, ids),
            "steps": _count(session, _parts(models.step, ids)),
            "events": _count(session, _parts(models.event, ids)),
        }


def _parts(model: t.Any, ids: sa.Select[t.Any]) -> sa.Select[t.Any]:
    return sa.select(model.execution_id).where(model.execution_id.in_(ids))


def _count(session: Session, query: sa.Select[t.Any]) -> int:
    return session.scalars(sa.select(sa.func.count()).select_from(query.subquery())).one()


def _ended(execution: type[ExecutionMixin], until: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(has_status(execution, *TERMINAL), execution.finished_at <= until)


def purge(app_state: AppState, until: dt.datetime, seconds: float = math.inf) -> int:
    """Remove, in small transactions, what ended until then; return how many executions.

    Archived graphs without executions go, too, once ``CREWEXEC_KEEP_FOR`` is over, and workers that
    were not heard of since. Running it twice at once, or again, does no harm.

    :param seconds: begin nothing new after so long; the rest is for the next time.
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
    old = _ended(execution, until)
    # In order, or PostgreSQL may pass again by all that was just removed.
    batch = sa.select(execution.id).where(old).order_by(execution.finished_at)
    batch = batch.limit(app_state.settings.purge_batch_size)
    with app_state.database.write_transaction() as session:
        ids = session.scalars(batch.with_for_update(skip_locked=True)).all()
        # SQLite locks no rows, so what was tried again in between is left alone here. It would look
        # for all that is old, and not for these rows, if it saw a bare column.
        unchanged = sa.func.coalesce(execution.finished_at, clock.now()) <= until
        session.execute(
            sa.delete(execution).where(execution.id.in_(ids), unchanged), execution_options=BULK
        )
        _delete_orphans(session, models, ids)
    return len(ids)


def _delete_orphans(session: Session, models: Models, ids: Sequence[uuid.UUID]) -> None:
    """Delete what hung on deleted executions; SQLite cascades only where it is told to."""
    remaining = sa.select(models.execution.id).where(models.execution.id.in_(ids))
    for model in (models.event, models.step):
        gone = sa.and_(model.execution_id.in_(ids), model.execution_id.not_in(remaining))
        session.execute(sa.delete(model).where(gone), execution_options=BULK)


def _purge_graphs(app_state: AppState, until: dt.datetime) -> None:
    """Remove graphs that were archived and have no executions any more.

    What may still be restored stays, however few executions are kept.
    """
    until = min(until, clock.now() - app_state.settings.keep_for)
    graph, version, execution = (
        app_state.models.graph,
        app_state.models.graph_version,
        app_state.models.execution,
    )
    used = sa.exists().where(execution.graph_id == graph.id)
    unused = sa.and_(graph.deleted_at < until, ~used)
    with app_state.database.write_transaction() as session:
        batch = sa.select(graph.id).where(unused).limit(MAX_GRAPHS)
        ids = session.scalars(batch.with_for_update(skip_locked=True)).all()
        # SQLite locks no rows, so what was restored in between is left alone here.
        session.execute(sa.delete(graph).where(graph.id.in_(ids), unused), execution_options=BULK)
        remaining = sa.select(graph.id).where(graph.id.in_(ids))
        gone = sa.and_(version.graph_id.in_(ids), version.graph_id.not_in(remaining))
        session.execute(sa.delete(version).where(gone), execution_options=BULK)


def _purge_workers(app_state: AppState, until: dt.datetime) -> None:
    """Remove the rows of workers that died without deleting them."""
    until = min(until, clock.now() - dt.timedelta(seconds=app_state.settings.stale_worker_after))
    with app_state.database.write_transaction() as session:
        delete_workers_unseen_since(session, app_state.models, until)
