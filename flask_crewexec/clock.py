"""The time, always aware and in UTC."""

from __future__ import annotations

import datetime as dt
import typing as t


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@t.overload
def as_utc(moment: dt.datetime) -> dt.datetime: ...
@t.overload
def as_utc(moment: None) -> None: ...
def as_utc(moment: dt.datetime | None) -> dt.datetime | None:
    """Return *moment*, as read from the database, with its time zone.

    SQLite keeps none, so it is put back; we only ever write UTC. PostgreSQL answers in the time
    zone of its connection.
    """
    if moment is None:
        return None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
