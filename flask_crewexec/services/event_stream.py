"""Follow an execution's events as they are written."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator

from ..app_state import current_app_state
from ..ids import parse_uuid
from ..messaging.event_subscriber import subscribers
from ..process.web_server import is_stopping
from ..storage.execution_queries import Id
from ..storage.ownership import Requester
from .event_pages import EventPage
from .event_pages import read_event_page

Json = dict[str, t.Any]

POLL_SECONDS: t.Final = 15.0
"""Longest time between two reads, in case an announcement is lost."""


def tail(task_id: Id, requester: Requester = None, *, after: int = 0) -> Iterator[Json]:
    """Yield the events with a number greater than *after*, in order, until the execution ends.

    No database connection is held between two reads. Within a web server the events also end when
    that is about to stop.

    :raises NotFound: if there is none, or not for *requester*.
    :raises InvalidRequest: if *after* is out of range.
    """
    with subscribers.current().subscribe(parse_uuid(task_id, "execution")) as subscription:
        page = _read(task_id, requester, after=after)
        while True:
            yield from page.events
            if page.final_status is not None or is_stopping():
                return
            after = page.events[-1]["seq"] if page.events else after
            if not page.events:
                subscription.wait(POLL_SECONDS)
            page = _read(task_id, requester, after=after)


def poll_events(
    task_id: Id, requester: Requester = None, *, seconds: float, **page: int
) -> list[Json]:
    """Return a page of events; while it is empty, wait up to *seconds* for an event.

    A web server that is about to stop does not wait any longer.

    :param page: ``after`` and ``limit``.
    :raises NotFound: if there is none, or not for *requester*.
    :raises InvalidRequest: if the page is out of range.
    """
    found = _read(task_id, requester, **page)
    if not _may_grow(found) or not seconds:
        return found.events
    deadline = time.monotonic() + seconds
    with subscribers.current().subscribe(parse_uuid(task_id, "execution")) as subscription:
        found = _read(task_id, requester, **page)
        while _may_grow(found) and (left := _seconds_to_wait(deadline)) > 0:
            subscription.wait(min(left, POLL_SECONDS))
            found = _read(task_id, requester, **page)
    return found.events


def _read(task_id: Id, requester: Requester, **page: int) -> EventPage:
    return read_event_page(current_app_state(), task_id, requester, **page)


def _seconds_to_wait(deadline: float) -> float:
    return 0.0 if is_stopping() else deadline - time.monotonic()


def _may_grow(page: EventPage) -> bool:
    return not page.events and page.final_status is None
