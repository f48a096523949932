"""Follow the events of executions as they are written."""

from __future__ import annotations

import time
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from ..app_state import current_app_state
from ..errors import NotFound
from ..errors import Problem
from ..ids import parse_uuid
from ..messaging.event_subscriber import subscribers
from ..process.web_server import is_stopping
from ..storage.execution_queries import Id
from ..storage.ownership import Requester
from .event_pages import EventPage
from .event_pages import Positions
from .event_pages import read_event_page
from .event_pages import read_event_pages

Json = dict[str, t.Any]
Pages = Mapping[uuid.UUID, EventPage]

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
    key = parse_uuid(task_id, "execution")
    return _poll([key], lambda: {key: _read(task_id, requester, **page)}, seconds)[key].events


def poll_several(
    positions: Positions, requester: Requester = None, *, seconds: float, limit: int
) -> Pages:
    """Return the events of executions after *positions*; while there are none, wait for one.

    :param seconds: how long to wait; a web server that is about to stop does not.
    :param limit: maximum number of events in all.
    :raises NotFound: if one does not exist, or not for *requester*.
    """
    return _poll([*positions], lambda: read_several(positions, requester, limit=limit), seconds)


def read_several(positions: Positions, requester: Requester = None, *, limit: int) -> Pages:
    """Return the events of executions after *positions*, at most *limit* in all.

    :raises NotFound: if one does not exist, or not for *requester*; it names all of these.
    """
    pages = read_event_pages(current_app_state(), positions, requester, limit=limit)
    problems = [
        Problem(f"/executions/{index}", NotFound.code, f"There is no execution '{id}'.")
        for index, id in enumerate(positions)
        if id not in pages
    ]
    if problems:
        raise NotFound("Some of the executions do not exist. Leave them out.", problems)
    return pages


def _poll(ids: Sequence[uuid.UUID], read: Callable[[], Pages], seconds: float) -> Pages:
    found = read()
    if not _may_grow(found) or not seconds:
        return found
    deadline = time.monotonic() + seconds
    with subscribers.current().subscribe(*ids) as subscription:
        found = read()
        while _may_grow(found) and (left := _seconds_to_wait(deadline)) > 0:
            subscription.wait(min(left, POLL_SECONDS))
            found = read()
    return found


def _read(task_id: Id, requester: Requester, **page: int) -> EventPage:
    return read_event_page(current_app_state(), task_id, requester, **page)


def _seconds_to_wait(deadline: float) -> float:
    return 0.0 if is_stopping() else deadline - time.monotonic()


def _may_grow(pages: Pages) -> bool:
    """Return whether there is no event yet, but may be one later."""
    if any(page.events for page in pages.values()):
        return False
    return any(page.final_status is None for page in pages.values())
