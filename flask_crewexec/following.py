"""An execution's history as it is written, for those who watch it."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator

from .async_execution_service import AsyncExecutionService
from .async_execution_service import has_ended
from .async_execution_service import Id
from .ownership import Asker
from .schemas import MAX_PAGE

Json = dict[str, t.Any]

PAUSE: t.Final = 0.5
"""Seconds between two looks."""


def follow(
    task_id: Id, asker: Asker = None, *, after: int = 0, pause: float = PAUSE
) -> Iterator[Json]:
    """Yield the events behind number *after*, in order, until the execution has ended.

    No connection to the database is held while the caller works or while nothing happens.

    :param pause: seconds between two looks at an execution that goes on.
    :raises NotFound: if there is none, or not for *asker*.
    :raises InvalidRequest: if *after* is out of range.
    """
    while True:
        # Looked at first: an end is stored together with its event.
        ended = has_ended(task_id, asker)
        for event in _written(task_id, asker, after):
            after = event["seq"]
            yield event
        if ended:
            return
        time.sleep(pause)


def _written(task_id: Id, asker: Asker, after: int) -> Iterator[Json]:
    """Yield what is there by now, page by page."""
    service = AsyncExecutionService()
    while page := service.get_events(task_id, asker, after=after, limit=MAX_PAGE):
        yield from page
        after = page[-1]["seq"]
