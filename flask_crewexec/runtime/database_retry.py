"""Wait for a database that is away, locked or full."""

from __future__ import annotations

import itertools
import logging
import time
import typing as t
from collections.abc import Callable

from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

log = logging.getLogger(__name__)

T = t.TypeVar("T")

TRANSIENT_ERRORS: t.Final = (OperationalError, InterfaceError, NoConnection)
"""What SQLAlchemy raises while the database cannot do what it was asked, or hangs for others."""


def retry_while_unavailable(action: Callable[[], T], seconds: float) -> T:
    """Return what *action* returns; while the database is away, try again for some *seconds*.

    What a run has done is paid for, so it is worth some patience.
    """
    deadline = time.monotonic() + seconds
    for pause in itertools.chain((0.05, 0.2, 0.5), itertools.repeat(1.0)):
        try:
            return action()
        except TRANSIENT_ERRORS:
            if time.monotonic() + pause > deadline:
                raise
            log.warning("The database is away; trying again.")
            time.sleep(pause)
    raise AssertionError("unreachable")
