"""Describe events for people."""

from __future__ import annotations

import datetime as dt
import typing as t

from .. import clock
from ..config.pricing import money
from ..models import EventMixin
from .formatting import decided
from .formatting import duration
from .formatting import pretty
from .formatting import spoken

_MAX_INLINE_CHARS: t.Final = 120
"""Longer values are shown in a block of their own."""

_TITLES: t.Final = {
    "queued": "Queued",
    "forked": "Forked from another execution",
    "started": "Started by a worker",
    "step_started": "Step started",
    "step_continued": "Step continued",
    "step_restarted": "Step restarted",
    "step_completed": "Step completed",
    "crew_planned": "Crew planned",
    "step_skipped": "Step skipped",
    "condition_met": "Condition met",
    "guardrail_passed": "Answer accepted",
    "guardrail_failed": "Answer rejected",
    "model_call_started": "Model called",
    "model_call_completed": "Model answered",
    "answer_truncated": "Answer truncated",
    "model_call_failed": "Model call failed",
    "tool_started": "Tool called",
    "tool_finished": "Tool returned",
    "tool_failed": "Tool failed",
    "budget_exhausted": "Budget exhausted",
    "input_requested": "People asked",
    "input_answered": "Answered",
    "input_expired": "Not answered in time",
    "waiting_input": "Waiting for people",
    "retrying": "Retry scheduled",
    "worker_lost": "Worker lost",
    "released": "Released by the worker",
    "cancel_requested": "Cancellation requested",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "timed_out": "Timed out",
}

_UNNAMED: t.Final = frozenset(
    {"step", "agent", "model", "tool", "code", "reason", "seconds", "decision"}
)
"""Fields whose values are shown without the name of the field."""


class EventDescription(t.NamedTuple):
    """An event as the page shows it."""

    seq: int
    type: str
    at: dt.datetime
    title: str
    call: int | None
    """Number of the call that it is about."""
    request: str | None
    """Id of the input request that it is about."""
    values: tuple[str, ...]
    """Short values, to be shown next to the title."""
    blocks: tuple[tuple[str, str], ...]
    """Names and texts of long values."""


def describe(event: EventMixin, currency: str) -> EventDescription:
    """Describe an event, also one of a type that this version does not know.

    :param currency: currency of costs.
    """
    values: list[str] = []
    blocks: list[tuple[str, str]] = []
    data = dict(event.data)
    call = data.pop("call") if isinstance(data.get("call"), int) else None
    request = data.pop("request") if isinstance(data.get("request"), str) else None
    for name, value in data.items():
        text = _text(name, value, currency)
        if len(text) > _MAX_INLINE_CHARS or "\n" in text or name == "output":
            blocks.append((spoken(name), text))
        elif text:
            values.append(_inline(name, text))
    title = _TITLES.get(event.type, spoken(event.type).capitalize())
    at = clock.as_utc(event.created_at)
    return EventDescription(
        event.seq, event.type, at, title, call, request, tuple(values), tuple(blocks)
    )


def _inline(name: str, text: str) -> str:
    if name == "tokens":
        return f"{text} tokens"
    return text if name in _UNNAMED else f"{spoken(name)} {text}"


def _text(name: str, value: object, currency: str) -> str:
    if value is None or (name, value) == ("bypassed", False):
        return ""
    if name == "seconds" and isinstance(value, int | float):
        return duration(float(value))
    if name == "cost" and isinstance(value, int | float):
        return money(float(value), currency)
    if name == "decision" and isinstance(value, str):
        return decided(value)
    return value if isinstance(value, str) else pretty(value)
