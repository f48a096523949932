"""The id of this start of the worker, which children of its pool inherit."""

from __future__ import annotations

import uuid

_current: uuid.UUID | None = None


def begin() -> None:
    """Give this worker a new id, before its pool forks."""
    global _current
    _current = uuid.uuid4()


def current() -> uuid.UUID | None:
    """Return the id; None if this process belongs to no worker."""
    return _current
