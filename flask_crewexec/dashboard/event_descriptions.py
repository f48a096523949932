"""Events as sentences."""

from __future__ import annotations

import datetime as dt
import typing as t

from .. import clock
from ..models import EventMixin
from .formatting import duration
from .formatting import pretty
from .formatting import spoken

_LONGEST_WORD: t.Final = 120
"""Characters from which a value gets a block of its own."""

_TITLES: t.Final = {
    "queued": "Queued",
    "started": "Taken by a worker",
    "step_started": "Step started",
    "step_completed": "Step completed",
    "crew_planned": "Crew planned",
    "step_skipped": "Step skipped",
    "condition_met": "Condition met",
    "guardrail_passed": "Answer passed",
    "guardrail_failed": "Answer refused",
    "model_call_started": "Model asked",
    "model_call_completed": "Model answered",
    "model_call_failed": "Model call failed",
    "tool_started": "Tool called",
    "tool_finished": "Tool answered",
    "tool_failed": "Tool failed",
    "retrying": "Will be tried again",
    "worker_lost": "Worker lost",
    "released": "Handed back by the worker",
    "cancel_requested": "Cancelling was asked for",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "timed_out": "Timed out",
}

_PLAIN: t.Final = frozenset({"step", "agent", "model", "tool", "code", "reason", "seconds"})
"""Values that speak for themselves; others are named."""


class Line(t.NamedTuple):
    """An event as the page shows it."""

    seq: int
    type: str
    at: dt.datetime
    title: str
    words: tuple[str, ...]
    blocks: tuple[tuple[str, str], ...]
    """Names and texts of long values."""


def describe(event: EventMixin) -> Line:
    """Return an event in words, also of a type that is not known here."""
    words: list[str] = []
    blocks: list[tuple[str, str]] = []
    for name, value in event.data.items():
        text = _text(name, value)
        if len(text) > _LONGEST_WORD or "\n" in text or name == "output":
            blocks.append((spoken(name), text))
        elif text:
            words.append(_words(name, text))
    at = clock.as_utc(event.created_at)
    title = _TITLES.get(event.type, spoken(event.type).capitalize())
    return Line(event.seq, event.type, at, title, tuple(words), tuple(blocks))


def _words(name: str, text: str) -> str:
    if name == "tokens":
        return f"{text} tokens"
    return text if name in _PLAIN else f"{spoken(name)} {text}"


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if name == "seconds" and isinstance(value, int | float):
        return duration(float(value))
    return value if isinstance(value, str) else pretty(value)
