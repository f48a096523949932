"""Retry while the database is unavailable, locked or out of disk space."""

from __future__ import annotations

import itertools
import logging
import time
import typing as t
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from ..storage.database_errors import is_transient

log = logging.getLogger(__name__)

T = t.TypeVar("T")


def retry_while_unavailable(action: Callable[[], T], seconds: float) -> T:
    """Return the result of *action*; retry it for some *seconds* while the database is unavailable.

    The work of a run is paid for, so it is worth waiting until it can be stored.
    """
    deadline = time.monotonic() + seconds
    for pause in itertools.chain((0.05, 0.2, 0.5), itertools.repeat(1.0)):
        try:
            return action()
        except SQLAlchemyError as error:
            if not is_transient(error) or time.monotonic() + pause > deadline:
                raise
            log.warning("The database is unavailable; retrying.")
            time.sleep(pause)
    raise AssertionError("unreachable")
