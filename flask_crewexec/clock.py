"""The current time, always timezone-aware and in UTC."""

from __future__ import annotations

import datetime as dt
import time
import typing as t


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def since_boot() -> float:
    """Return the seconds since this machine was started, with those in which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Continues from a time of the database, whatever becomes of the clock of this machine."""

    def __init__(self, moment: dt.datetime) -> None:
        self._moment = moment
        self._since = time.monotonic()

    def now(self) -> dt.datetime:
        return self._moment + dt.timedelta(seconds=time.monotonic() - self._since)


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


def midnight() -> dt.datetime:
    """Return when the current day (UTC) has begun."""
    return now().replace(hour=0, minute=0, second=0, microsecond=0)
