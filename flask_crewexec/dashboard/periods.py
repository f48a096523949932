"""Periods of an execution: when it waited in the queue, ran, or paused, and why."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Iterable
from collections.abc import Sequence

from .. import clock
from ..storage.event_log import Mark
from .formatting import duration

RUN: t.Final = "run"
_KINDS: t.Final = {
    "queued": "queue",
    "started": RUN,
    "retrying": "retry",
    "worker_lost": "lost",
    "released": "released",
    "waiting_input": "people",
    "completed": "ended",
    "failed": "ended",
    "cancelled": "ended",
    "timed_out": "ended",
}
"""What begins with each of these events."""
_STEP_STARTS: t.Final = frozenset({"step_started", "step_continued", "step_restarted"})
_STEP_ENDS: t.Final = frozenset({"step_completed", "step_skipped"})
MARKS: t.Final = frozenset({*_KINDS, *_STEP_STARTS, *_STEP_ENDS})
"""Types of the events from which periods are found."""
_PAUSES: t.Final = {
    "queue": "waited for a worker",
    "lost": "worker lost",
    "released": "released by a worker that shut down",
    "people": "waited for people",
    "ended": "ended, until somebody retried it",
}


class Period(t.NamedTuple):
    """A time in which one thing went on."""

    kind: str
    """``run`` for an attempt; otherwise why there was none."""
    begin: dt.datetime
    end: dt.datetime
    text: str
    """What went on, in words."""

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()

    @property
    def title(self) -> str:
        """The period in one line."""
        return f"{self.text}: {duration(self.seconds)}"


def find_periods(marks: Iterable[Mark], end: dt.datetime) -> list[Period]:
    """Return the periods between *marks*, without gaps; the last one lasts until *end*."""
    changes = [mark for mark in marks if mark.type in _KINDS]
    ends = [*(_at(mark) for mark in changes[1:]), end]
    periods = [
        Period(_KINDS[mark.type], _at(mark), max(until, _at(mark)), _text(mark))
        for mark, until in zip(changes, ends, strict=False)
    ]
    if periods and periods[-1].kind == "ended":
        periods.pop()
    return periods


def _text(mark: Mark) -> str:
    kind = _KINDS[mark.type]
    if kind == RUN:
        return f"Attempt {mark.data.get('attempt', '')}".rstrip()
    if kind == "retry":
        return f"Pause before a retry, after {mark.data.get('code', 'a failure')}"
    return _PAUSES[kind].capitalize()


class Segment(t.NamedTuple):
    """A part of a step that ran without interruption."""

    begin: dt.datetime
    end: dt.datetime
    is_broken: bool
    """Whether it ended without completing the step."""


def find_segments(marks: Iterable[Mark], end: dt.datetime) -> dict[str, list[Segment]]:
    """Return the segments of each step, by its name; what still runs lasts until *end*."""
    segments: dict[str, list[Segment]] = {}
    running: dict[str, dt.datetime] = {}

    def close(name: str, at: dt.datetime, *, is_broken: bool) -> None:
        if (begin := running.pop(name, None)) is not None:
            segments.setdefault(name, []).append(Segment(begin, max(begin, at), is_broken))

    for mark in marks:
        name, at = mark.data.get("step"), _at(mark)
        if mark.type in _STEP_STARTS:
            running.setdefault(str(name), at)
        elif mark.type in _STEP_ENDS:
            close(str(name), at, is_broken=False)
        elif mark.type in _KINDS:
            for each in [*running]:
                close(each, at, is_broken=mark.type != "waiting_input")
    for each in [*running]:
        close(each, end, is_broken=False)
    return segments


def running_seconds(periods: Sequence[Period], begin: dt.datetime, end: dt.datetime) -> float:
    """Return for how many seconds from *begin* to *end* an attempt ran."""
    return sum(
        max(0.0, (min(each.end, end) - max(each.begin, begin)).total_seconds())
        for each in periods
        if each.kind == RUN
    )


def _at(mark: Mark) -> dt.datetime:
    return clock.as_utc(mark.created_at)
