"""A process whose machine has a wrong clock."""

from __future__ import annotations

import datetime as dt
import os
import typing as t

from flask_crewexec import clock

SECONDS: t.Final = "CLOCK_AHEAD_SECONDS"
"""Variable of a process that says by how much its clock is ahead; negative if it is behind."""

_right_now: t.Final = clock.now


def set_ahead(seconds: float) -> None:
    """Let the clock of this process be ahead from now on."""
    ahead = dt.timedelta(seconds=seconds)
    clock.now = lambda: _right_now() + ahead


def set_right() -> None:
    """Let the clock of this process be right again."""
    clock.now = _right_now


def set_as_told() -> None:
    """Set the clock of this process as its environment says."""
    set_ahead(float(os.environ.get(SECONDS, "0")))
