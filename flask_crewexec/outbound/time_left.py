"""The time that a request has."""

from __future__ import annotations

import time

from .errors import AnswerTooSlow


def time_left(ends: float) -> float:
    """Return the seconds until *ends*, by the monotonic clock.

    :raises AnswerTooSlow: if there are none.
    """
    left = ends - time.monotonic()
    if left <= 0:
        raise too_slow()
    return left


def too_slow() -> AnswerTooSlow:
    """Return what is raised when the time is over."""
    return AnswerTooSlow("The answer did not arrive in time.")
