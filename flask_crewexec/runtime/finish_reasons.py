"""Why the model call of the current context ended: from its events to the check of its answer."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from contextvars import ContextVar


@dataclasses.dataclass
class CallEnd:
    """How a call ended, in the words of its provider; None until it has."""

    reason: str | None = None


_current: ContextVar[CallEnd | None] = ContextVar("crewexec_call_end", default=None)


@contextlib.contextmanager
def watch_call() -> Iterator[CallEnd]:
    """Return how the call within the context ends."""
    end = CallEnd()
    token = _current.set(end)
    try:
        yield end
    finally:
        _current.reset(token)


def note_finish_reason(reason: str | None) -> None:
    """Note why the call of the current context has ended."""
    if end := _current.get():
        end.reason = reason
