"""The history of an execution: numbered from 1, without gaps, in the order of writing."""

from __future__ import annotations

import functools
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from ..database import CHANGED_EXECUTIONS
from ..models import EventMixin
from ..models import Models
from ..models import table_of
from . import counters
from . import cte_writes
from .counters import LastTransition
from .cte_writes import Rows
from .new_event import NewEvent


def append(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    entries: Sequence[NewEvent],
    past: LastTransition | None = None,
) -> None:
    """Add *entries* to the history.

    Raising the counter locks the execution's row until the transaction ends, so two writers
    never take the same number.

    :param past: the last change of state before them, if it is known.
    """
    counts = {"of_execution": execution_id, "count": len(entries)}
    last = session.scalar(_counting(table_of(models.execution)), counts)
    if last is not None:
        insert_numbered(session, models, execution_id, entries, last, past)


@functools.lru_cache(maxsize=8)
def _counting(execution: sa.Table) -> ReturningUpdate[t.Any]:
    last, count = execution.c.last_event, sa.bindparam("count", type_=sa.Integer)
    statement = sa.update(execution).where(execution.c.id == sa.bindparam("of_execution"))
    return statement.values(last_event=last + count).returning(last)


def insert_numbered(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    entries: Sequence[NewEvent],
    last: int,
    past: LastTransition | None = None,
    beside: Mapping[sa.Table, Rows] | None = None,
) -> None:
    """Insert *entries*, for which the counter was raised to *last* in this transaction.

    :param past: the last change of state before them, if it is known.
    :param beside: rows of other tables that are inserted with them.
    """
    session.info.setdefault(CHANGED_EXECUTIONS, set()).add(execution_id)
    first = last - len(entries) + 1
    numbered = [
        {"execution_id": execution_id, "seq": seq, **row}
        for seq, row in enumerate(as_rows(entries), first)
    ]
    counted = counters.deltas_of_history(session, models, execution_id, first, entries, past)
    ours = {table_of(models.event): numbered, table_of(models.counter): counters.rows(counted)}
    cte_writes.insert_many(session, {**ours, **(beside or {})})


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


def as_rows(entries: Iterable[NewEvent]) -> list[dict[str, t.Any]]:
    """Return the columns of *entries* that do not depend on where they are inserted."""
    return [{"type": each.type, "data": each.data, "created_at": each.at} for each in entries]
