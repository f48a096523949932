"""Format moments, durations and values for people."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections.abc import Mapping

from .. import clock
from ..schemas import FAILURE_CODES
from ..statuses import Decision
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


_SPOKEN: t.Final[Mapping[str, str]] = {ExecutionStatus.WAITING_INPUT: "waiting for people"}
_DECIDED: t.Final[Mapping[str, str]] = {
    Decision.APPROVE: "approved",
    Decision.CHANGE: "change requested",
    Decision.EDIT: "edited",
    Decision.REJECT: "rejected",
    Decision.RESPOND: "answered",
}


def spoken(word: str) -> str:
    """Return a status or another identifier as words."""
    return _SPOKEN.get(word) or word.replace("_", " ")


def decided(decision: str) -> str:
    """Return what somebody has done with a decision."""
    return _DECIDED.get(decision, decision)


def remedy(code: str) -> str:
    """Return what to do about a failure; an empty text for a code that is not known."""
    return FAILURE_CODES[code].remedy if code in FAILURE_CODES else ""


def pretty(value: t.Any) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def shown(text: str | None, limit: int = SHOWN_CHARS) -> str:
    """Return the part of a long text that a page shows."""
    return (text or "")[:limit]


def is_cut(text: str | None, limit: int = SHOWN_CHARS) -> bool:
    """Return whether :func:`shown` leaves something out."""
    return len(text or "") > limit


def brief(text: str, limit: int) -> str:
    """Return *text* on one line of at most *limit* characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
