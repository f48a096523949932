"""The time that is left for a request."""

from __future__ import annotations

import time

from .errors import ResponseTooSlow


def time_left(deadline: float) -> float:
    """Return the seconds until *deadline*, a time of the monotonic clock.

    :raises ResponseTooSlow: if it is over.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise too_slow()
    return left


def too_slow() -> ResponseTooSlow:
    """Return the error to raise when the time is over."""
    return ResponseTooSlow("The response did not arrive in time.")
