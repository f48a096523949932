"""Format moments, durations and values for people."""

from __future__ import annotations

import datetime as dt
import json
import math
import typing as t
import unicodedata

from .. import clock
from ..statuses import ExecutionStatus

SHOWN_CHARS: t.Final = 20_000
"""How much of one text a page shows; the API returns all of it."""


def as_moment(value: dt.datetime | str | None) -> dt.datetime | None:
    """Return a moment from the database or from JSON in UTC."""
    return clock.as_utc(dt.datetime.fromisoformat(value) if isinstance(value, str) else value)


def seconds_between(begin: dt.datetime | str | None, end: dt.datetime | str | None) -> float | None:
    """Return the seconds from *begin* to *end*; None if one of them is not known."""
    first, last = as_moment(begin), as_moment(end)
    if first is None or last is None:
        return None
    return max(0.0, (last - first).total_seconds())


def duration(seconds: float | None) -> str:
    """Return seconds as text with at most two units; an empty text for None."""
    if seconds is None:
        return ""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, name, smaller, small_name in _UNITS:
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {small_name}" if rest else "")
    raise AssertionError(whole)


_UNITS: t.Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def money(amount: float, currency: str) -> str:
    """Return an amount with two decimals; small ones with two digits, never with an exponent."""
    digits = 2 if amount >= 0.1 or not amount else 1 - math.floor(math.log10(amount))
    return f"{amount:,.{digits}f} {currency}".rstrip()


_SIGNS: t.Final = {
    ExecutionStatus.QUEUED: ("…", "waiting"),
    ExecutionStatus.RUNNING: ("▶", "running"),
    ExecutionStatus.WAITING_INPUT: ("?", "waiting"),
    ExecutionStatus.RETRYING: ("…", "waiting"),
    ExecutionStatus.COMPLETED: ("✓", "completed"),
    ExecutionStatus.FAILED: ("✗", "failed"),
    ExecutionStatus.TIMED_OUT: ("✗", "failed"),
    ExecutionStatus.CANCELLED: ("■", "stopped"),
}
"""A sign for the title of a page, and the name of an icon."""


def symbol(status: str) -> str:
    """Return the sign of a status, for titles."""
    return _SIGNS[ExecutionStatus(status)][0]


def icon(status: str) -> str:
    """Return the name of the file with the icon of a status."""
    return f"icon-{_SIGNS[ExecutionStatus(status)][1]}.svg"


def spoken(word: str) -> str:
    """Return a status or another identifier as words."""
    return word.replace("_", " ")


def pretty(value: t.Any) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def shown(text: str | None, limit: int = SHOWN_CHARS) -> str:
    """Return the part of a long text that a page shows."""
    return (text or "")[:limit]


def is_cut(text: str | None, limit: int = SHOWN_CHARS) -> bool:
    """Return whether :func:`shown` leaves something out."""
    return len(text or "") > limit


def fitted(text: str, columns: int) -> str:
    """Return *text* on one line that is as wide as *columns* Latin letters at most.

    Chinese, Japanese and Korean characters are twice as wide; marks that combine take no room.
    """
    line, room = " ".join(text.split()), columns
    for position, character in enumerate(line):
        room -= _columns(character)
        if room < 0:
            return line[: max(position - 1, 0)].rstrip() + "…"
    return line


def width_of(text: str) -> int:
    """Return how many Latin letters are about as wide as *text*."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def brief(text: str, limit: int) -> str:
    """Return *text* on one line of at most *limit* characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
