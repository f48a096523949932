"""The history of an execution: numbered from 1, without gaps, in the order of writing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from . import clock
from . import tallies
from .binding import EVENTFUL
from .models import Models


@dataclasses.dataclass(frozen=True)
class Entry:
    """An event that has no number yet."""

    type: str
    data: dict[str, t.Any]
    at: dt.datetime = dataclasses.field(default_factory=clock.now)


def append(
    session: Session, models: Models, execution_id: uuid.UUID, entries: Sequence[Entry]
) -> None:
    """Add *entries* to the history.

    Raising the counter locks the execution's row until the transaction ends, so two writers
    never take the same number.
    """
    execution = models.execution
    last = session.scalar(
        sa.update(execution)
        .where(execution.id == execution_id)
        .values(last_event=execution.last_event + len(entries))
        .returning(execution.last_event),
        execution_options={"synchronize_session": False},
    )
    if last is not None:
        insert(session, models, execution_id, entries, last)


def insert(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    entries: Sequence[Entry],
    last: int,
) -> None:
    """Insert *entries*, for which the counter was raised to *last* in this transaction."""
    session.info.setdefault(EVENTFUL, set()).add(execution_id)
    # Not the mapped class: it would cost more than the statement itself.
    table = sa.inspect(models.event).local_table
    first = last - len(entries) + 1
    session.execute(sa.insert(table), _rows(execution_id, first, entries))
    tallies.count_events(session, models, execution_id, first, entries)


def _rows(execution_id: uuid.UUID, first: int, entries: Sequence[Entry]) -> list[dict[str, t.Any]]:
    return [
        {
            "execution_id": execution_id,
            "seq": seq,
            "type": entry.type,
            "data": entry.data,
            "created_at": entry.at,
        }
        for seq, entry in enumerate(entries, first)
    ]


def clean(text: str) -> str:
    """Return *text* without halves of characters, which no database stores."""
    return text.encode(errors="replace").decode()


def shorten(text: str, limit: int) -> str:
    """Return *text*, cut to *limit* characters with a sign that it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
