"""Types of notifications: what handlers, signals and webhooks are told of an execution."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Mapping

from ..statuses import ExecutionStatus

EVERYTHING: t.Final = "*"

NOTIFICATION_TYPES: t.Final[Mapping[str, str]] = {
    "execution.queued": "It waits for a worker: at first, after a retry became due, after a user's"
    " retry, or because its worker was lost or shut down.",
    "execution.started": "A worker started an attempt.",
    "execution.retrying": "An attempt failed with a transient error; another one follows.",
    "execution.waiting_input": "It cannot go on until people answer.",
    "execution.completed": "It completed.",
    "execution.failed": "It failed.",
    "execution.cancelled": "It was cancelled.",
    "execution.timed_out": "It exceeded its timeout.",
    "step.completed": "A step completed, and its output is stored.",
    "step.skipped": "The condition of a step was not met.",
    "input.requested": "A step asks people, for instance to review its answer.",
    "input.answered": "Somebody answered.",
    "input.expired": "Nobody answered in time.",
    "budget.exhausted": "It used all of its model calls, tool calls or tokens.",
}
"""The meaning of each type."""

ENDS: t.Final = (
    "execution.completed",
    "execution.failed",
    "execution.cancelled",
    "execution.timed_out",
)
"""What webhooks are told unless they choose."""

_TYPES_OF_EVENTS: t.Final[Mapping[str, str]] = {
    "queued": "execution.queued",
    "released": "execution.queued",
    "started": "execution.started",
    "retrying": "execution.retrying",
    "waiting_input": "execution.waiting_input",
    "completed": "execution.completed",
    "failed": "execution.failed",
    "cancelled": "execution.cancelled",
    "timed_out": "execution.timed_out",
    "step_completed": "step.completed",
    "step_skipped": "step.skipped",
    "input_requested": "input.requested",
    "input_answered": "input.answered",
    "input_expired": "input.expired",
    "budget_exhausted": "budget.exhausted",
}
"""The notification for each event of the history that is told."""
_STATUSES: t.Final[Mapping[str, str]] = {"started": ExecutionStatus.RUNNING}
"""Statuses that are not called like their notification."""


def notification_type(event: str, data: Mapping[str, t.Any]) -> str | None:
    """Return the type of the notification for an event of the history; None if it is not told."""
    if event == "worker_lost":
        return f"execution.{data.get('then', ExecutionStatus.QUEUED)}"
    return _TYPES_OF_EVENTS.get(event)


def status_told(type: str, data: Mapping[str, t.Any]) -> str:
    """Return the status of the execution after an event of this type."""
    if "then" in data:
        return str(data["then"])
    family, _, name = type.partition(".")
    return _STATUSES.get(name, name) if family == "execution" else ExecutionStatus.RUNNING


def patterns_of(type: str) -> tuple[str, str, str]:
    """Return the patterns that match a type: itself, its family, and everything."""
    return type, f"{type.partition('.')[0]}.*", EVERYTHING


def matches(patterns: Iterable[str], type: str) -> bool:
    """Return whether one of the *patterns* matches a type."""
    return not set(patterns).isdisjoint(patterns_of(type))


def stored_patterns(patterns: Iterable[str]) -> str:
    """Return patterns as a webhook stores them: each between two spaces."""
    return f" {' '.join(patterns)} "


def known_patterns() -> list[str]:
    """Return every pattern that may be used."""
    return sorted({pattern for type in NOTIFICATION_TYPES for pattern in patterns_of(type)})


def check_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return *patterns* without repetitions.

    :raises ValueError: if there are none, or one matches no type.
    """
    given = tuple(dict.fromkeys(patterns))
    known = known_patterns()
    if unknown := [pattern for pattern in given if pattern not in known]:
        raise ValueError(
            f"There is no event {unknown[0]!r}. Use some of: {', '.join(map(repr, known))}."
        )
    if not given:
        raise ValueError(f"Name at least one event of: {', '.join(map(repr, known))}.")
    return given
