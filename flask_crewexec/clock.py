"""The current time, always timezone-aware and in UTC."""

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
    """Return *moment*, as read from the database, as a timezone-aware time in UTC.

    SQLite drops the time zone, which is always UTC. PostgreSQL returns times in the time zone of
    the connection.
    """
    if moment is None:
        return None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
