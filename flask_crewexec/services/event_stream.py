"""An execution's history as it is written, for those who watch it."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator

from ..ids import parse_uuid
from ..messaging.event_subscriber import subscribers
from ..storage.ownership import Requester
from .async_execution_service import AsyncExecutionService
from .async_execution_service import EventPage
from .async_execution_service import Id

Json = dict[str, t.Any]

LOOK_SECONDS: t.Final = 15.0
"""Longest time between two looks, should news get lost."""

_service: t.Final = AsyncExecutionService()


def tail(task_id: Id, requester: Requester = None, *, after: int = 0) -> Iterator[Json]:
    """Yield the events behind number *after*, in order, until the execution has ended.

    No connection to the database is held while the caller works or while nothing happens.

    :raises NotFound: if there is none, or not for *asker*.
    :raises InvalidRequest: if *after* is out of range.
    """
    with subscribers.current().subscribe(parse_uuid(task_id, "execution")) as inbox:
        page = _service.read_events(task_id, requester, after=after)
        while True:
            yield from page.events
            if page.final_state is not None:
                return
            after = page.events[-1]["seq"] if page.events else after
            if not page.events:
                inbox.wait(LOOK_SECONDS)
            page = _service.read_events(task_id, requester, after=after)


def poll_events(
    task_id: Id, requester: Requester = None, *, seconds: float, **page: int
) -> list[Json]:
    """Return a page of events; if there is none yet, wait for one for some *seconds*.

    :param page: ``after`` and ``limit``.
    :raises NotFound: if there is none, or not for *asker*.
    :raises InvalidRequest: if the page is out of range.
    """
    found = _service.read_events(task_id, requester, **page)
    if not _may_grow(found) or not seconds:
        return found.events
    deadline = time.monotonic() + seconds
    with subscribers.current().subscribe(parse_uuid(task_id, "execution")) as inbox:
        found = _service.read_events(task_id, requester, **page)
        while _may_grow(found) and (left := deadline - time.monotonic()) > 0:
            inbox.wait(min(left, LOOK_SECONDS))
            found = _service.read_events(task_id, requester, **page)
    return found.events


def _may_grow(page: EventPage) -> bool:
    return not page.events and page.final_state is None
