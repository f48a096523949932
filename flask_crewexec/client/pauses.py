"""Pauses between attempts, of random length, so that many clients do not come back at once."""

from __future__ import annotations

import logging
import random
import time
import typing as t

from .commands import Pause
from .errors import ApiError

FIRST: t.Final = 0.5
LONGEST: t.Final = 30.0

log = logging.getLogger("flask_crewexec.client")


def pause_after(failures: int, retry_after: float | None = None) -> Pause:
    """Return a pause that doubles with each failure, or is a little longer than *retry_after*."""
    most = min(LONGEST, FIRST * 2 ** (failures - 1))
    least = most / 2 if retry_after is None else retry_after
    return Pause(least + random.uniform(0, most / 2))


class Patience:
    """How long an operation goes on trying while the server is unavailable."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._failures = 0
        self._since = 0.0

    def reset(self) -> None:
        """Begin again, since the server has answered."""
        self._failures = 0

    def pause(self, error: ApiError) -> Pause:
        """Return the pause before the next attempt.

        :raises ApiError: the *error*, if it will not pass or has lasted too long.
        """
        now = time.monotonic()
        self._since = self._since if self._failures else now
        if not error.is_transient or now - self._since >= self._seconds:
            raise error
        self._failures += 1
        pause = pause_after(self._failures, error.retry_after)
        log.info("Trying again in %.1f seconds: %s", pause.seconds, error)
        return pause
