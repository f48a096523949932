"""Append-only event log of an execution: numbered from 1, without gaps, in commit order."""

from __future__ import annotations

import datetime as dt
import functools
import typing as t
import uuid
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from .. import clock
from ..app_state import AppState
from ..database import CHANGED_EXECUTIONS
from ..database import NEW_DELIVERIES
from ..models import EventMixin
from ..models import Models
from ..models import table_of
from . import counters
from . import cte_writes
from . import database_clock
from . import outbox
from .counters import LastTransition
from .cte_writes import Rows
from .new_event import DatedEvent
from .new_event import NewEvent


def append(
    session: Session,
    app_state: AppState,
    execution_id: uuid.UUID,
    events: Sequence[NewEvent],
    last_transition: LastTransition | None = None,
) -> None:
    """Append *events* to the event log, as of now.

    Raising ``last_event`` locks the execution's row until the transaction ends, so two writers
    never use the same number.

    :param last_transition: the last change of status before them, if the caller knows it.
    """
    counts = {"of_execution": execution_id, "count": len(events)}
    statement = _raise_last_event(table_of(app_state.models.execution))
    row = session.execute(statement, counts).one_or_none()
    if row is not None:
        dated = [event.at(clock.as_utc(row.database_time)) for event in events]
        insert_numbered(session, app_state, execution_id, dated, row.last_event, last_transition)


@functools.lru_cache(maxsize=8)
def _raise_last_event(execution: sa.Table) -> ReturningUpdate[t.Any]:
    last, count = execution.c.last_event, sa.bindparam("count", type_=sa.Integer)
    statement = sa.update(execution).where(execution.c.id == sa.bindparam("of_execution"))
    now = database_clock.now().label("database_time")
    return statement.values(last_event=last + count).returning(last, now)


def insert_numbered(
    session: Session,
    app_state: AppState,
    execution_id: uuid.UUID,
    events: Sequence[DatedEvent],
    last: int,
    last_transition: LastTransition | None = None,
    also_insert: Mapping[sa.Table, Rows] | None = None,
) -> None:
    """Insert *events*, for which this transaction has raised ``last_event`` to *last*.

    Deliveries to those who want to be told are inserted with them.

    :param last_transition: the last change of status before them, if the caller knows it.
    :param also_insert: rows of other tables to insert with the same statement.
    """
    models = app_state.models
    session.info.setdefault(CHANGED_EXECUTIONS, set()).add(execution_id)
    first = last - len(events) + 1
    numbered = [
        {"execution_id": execution_id, "seq": seq, **row}
        for seq, row in enumerate(as_rows(events), first)
    ]
    if last_transition is None:
        deltas = counters.deltas_of_history(session, models, execution_id, first, events)
    else:
        deltas = counters.deltas_of_events(events, last_transition)
    deliveries = outbox.new_deliveries(session, app_state, execution_id, first, events)
    session.info[NEW_DELIVERIES] = session.info.get(NEW_DELIVERIES, False) or bool(deliveries)
    rows = {
        table_of(models.event): numbered,
        table_of(models.counter): counters.as_rows(deltas),
        **(also_insert or {}),
        table_of(models.delivery): deliveries,
    }
    cte_writes.insert_many(session, rows)


def read_events(
    session: Session, models: Models, execution_id: uuid.UUID, *, after: int, limit: int
) -> Sequence[EventMixin]:
    """Return the events with a number greater than *after*, in order."""
    event = models.event
    query = sa.select(event).where(event.execution_id == execution_id, event.seq > after)
    return session.scalars(query.order_by(event.seq).limit(limit)).all()


def newest_events(
    session: Session, models: Models, execution_id: uuid.UUID, limit: int
) -> list[EventMixin]:
    """Return the last events, in order."""
    event = models.event
    query = sa.select(event).where(event.execution_id == execution_id)
    newest = session.scalars(query.order_by(event.seq.desc()).limit(limit)).all()
    return [*reversed(newest)]


class Mark(t.NamedTuple):
    """What happened, and when."""

    type: str
    data: Mapping[str, t.Any]
    created_at: dt.datetime


def events_of_types(
    session: Session, models: Models, execution_id: uuid.UUID, types: Collection[str], limit: int
) -> list[Mark]:
    """Return the newest events of some *types*, in order."""
    event = models.event
    query = sa.select(event.type, event.data, event.created_at).where(
        event.execution_id == execution_id, event.type.in_(types)
    )
    newest = session.execute(query.order_by(event.seq.desc()).limit(limit)).all()
    return [Mark(*row) for row in reversed(newest)]


def as_rows(events: Iterable[DatedEvent]) -> list[dict[str, t.Any]]:
    """Return the columns of *events*, without the execution's id and their numbers."""
    return [{"type": event.type, "data": event.data, "created_at": event.time} for event in events]
