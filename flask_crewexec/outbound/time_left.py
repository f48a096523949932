"""The time that is left for a request."""

from __future__ import annotations

import time

from .errors import AnswerTooSlow


def time_left(deadline: float) -> float:
    """Return the seconds until *deadline*, a time of the monotonic clock.

    :raises AnswerTooSlow: if it is over.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise too_slow()
    return left


def too_slow() -> AnswerTooSlow:
    """Return the error to raise when the time is over."""
    return AnswerTooSlow("The response did not arrive in time.")
