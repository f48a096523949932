"""Calls found in events, for executions whose calls are not stored, or not any more."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from .. import clock
from ..statuses import CallKind
from ..statuses import CallStatus
from ..storage.call_log import CallSpan
from ..storage.event_log import Mark

_INTERRUPTIONS: t.Final = frozenset(
    {"queued", "started", "worker_lost", "released", "retrying", "waiting_input"}
)
"""Events after which no earlier call can be in progress."""
_STARTS: t.Final = {"model_call_started": CallKind.MODEL, "tool_started": CallKind.TOOL}
_ENDS: t.Final = {
    "model_call_completed": (CallKind.MODEL, CallStatus.DONE),
    "model_call_failed": (CallKind.MODEL, CallStatus.FAILED),
    "tool_finished": (CallKind.TOOL, CallStatus.DONE),
    "tool_failed": (CallKind.TOOL, CallStatus.FAILED),
}
CALL_MARKS: t.Final = frozenset({*_INTERRUPTIONS, *_STARTS, *_ENDS})
"""Types of the events from which calls are found."""


def find_calls(events: Iterable[Mark], positions: Mapping[str, int]) -> Iterator[CallSpan]:
    """Return the calls among *events*.

    :param positions: positions of steps by their names.
    """
    running: dict[tuple[CallKind, str | None], CallSpan] = {}
    for event in events:
        step, at = event.data.get("step"), clock.as_utc(event.created_at)
        if event.type in _INTERRUPTIONS:
            yield from (call._replace(finished_at=at) for call in running.values())
            running.clear()
        elif kind := _STARTS.get(event.type):
            name = event.data.get("model") or event.data.get("tool") or ""
            position = positions.get(str(step))
            running[kind, step] = CallSpan(None, position, kind, name, CallStatus.STARTED, at, None)
        elif end := _ENDS.get(event.type):
            kind, status = end
            if call := running.pop((kind, step), None):
                yield call._replace(status=status, finished_at=at)
    yield from running.values()
