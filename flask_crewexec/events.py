"""The history of an execution: numbered from 1, without gaps, in the order of writing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from . import clock
from . import one_statement
from . import tallies
from .binding import EVENTFUL
from .models import Models
from .models import table_of
from .one_statement import Rows
from .tallies import Past


@dataclasses.dataclass(frozen=True)
class Entry:
    """An event that has no number yet."""

    type: str
    data: dict[str, t.Any]
    at: dt.datetime = dataclasses.field(default_factory=clock.now)


def append(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    entries: Sequence[Entry],
    past: Past | None = None,
) -> None:
    """Add *entries* to the history.

    Raising the counter locks the execution's row until the transaction ends, so two writers
    never take the same number.

    :param past: the last change of state before them, if it is known.
    """
    counts = {"of_execution": execution_id, "count": len(entries)}
    last = session.scalar(_counting(table_of(models.execution)), counts)
    if last is not None:
        insert(session, models, execution_id, entries, last, past)


@functools.lru_cache(maxsize=8)
def _counting(execution: sa.Table) -> ReturningUpdate[t.Any]:
    last, count = execution.c.last_event, sa.bindparam("count", type_=sa.Integer)
    statement = sa.update(execution).where(execution.c.id == sa.bindparam("of_execution"))
    return statement.values(last_event=last + count).returning(last)


def insert(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    entries: Sequence[Entry],
    last: int,
    past: Past | None = None,
    beside: Mapping[sa.Table, Rows] | None = None,
) -> None:
    """Insert *entries*, for which the counter was raised to *last* in this transaction.

    :param past: the last change of state before them, if it is known.
    :param beside: rows of other tables that are inserted with them.
    """
    session.info.setdefault(EVENTFUL, set()).add(execution_id)
    first = last - len(entries) + 1
    numbered = [
        {"execution_id": execution_id, "seq": seq, **row}
        for seq, row in enumerate(rows(entries), first)
    ]
    counted = tallies.of_history(session, models, execution_id, first, entries, past)
    ours = {table_of(models.event): numbered, table_of(models.tally): tallies.rows(counted)}
    one_statement.insert(session, {**ours, **(beside or {})})


def rows(entries: Iterable[Entry]) -> list[dict[str, t.Any]]:
    """Return the columns of *entries* that do not depend on where they are inserted."""
    return [{"type": each.type, "data": each.data, "created_at": each.at} for each in entries]


def clean(text: str) -> str:
    """Return *text* without halves of characters, which no database stores."""
    return text.encode(errors="replace").decode()


def shorten(text: str, limit: int) -> str:
    """Return *text*, cut to *limit* characters with a sign that it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
