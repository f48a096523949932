"""Events of executions as Server-Sent Events.

https://html.spec.whatwg.org/multipage/server-sent-events.html

A stream occupies a thread (or greenlet) of the web server but no database connection: each page
is read in a short transaction. A client that has disconnected is noticed within a second, or with a
heartbeat where the web server does not show its connections.
"""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t
import uuid
from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Mapping

from flask import current_app
from flask import Flask
from flask import json
from flask import request
from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from ..app_state import current_app_state
from ..errors import InvalidRequest
from ..errors import Problem
from ..identity import Identity
from ..ids import parse_uuid
from ..messaging.event_subscriber import subscribers
from ..messaging.event_subscriber import Subscription
from ..process.web_server import is_stopping
from ..services.event_pages import EventPage
from ..services.event_pages import Positions
from ..services.event_pages import read_event_page
from ..services.event_pages import read_event_pages
from ..services.event_stream import read_several
from .hang_up import hang_up_check
from .stream_metrics import counted_stream
from .stream_slots import limiters

Json = dict[str, t.Any]

MIMETYPE: t.Final = "text/event-stream"
REMOVED: t.Final = "removed"
"""Final status for clients of an execution that was purged during the stream."""
RETRY_MILLISECONDS: t.Final = 2000
"""Delay after which a client reconnects."""
MAX_PAGE: t.Final = 200
_MAX_DIGITS: t.Final = 9
"""Of the number of an event."""

log = logging.getLogger(__name__)


def wants_stream() -> bool:
    """Return whether the client of the current request asks for a stream."""
    accepted = request.accept_mimetypes
    return accepted[MIMETYPE] > accepted["application/json"]


def respond(execution_id: str, requester: Identity, after: int) -> Response:
    """Stream the events after number *after*, or after the ``Last-Event-ID`` of the request.

    :raises NotFound: if there is no such execution, or not for *requester*.
    :raises TooManyStreams: if the user or this process has as many open as allowed.
    """
    after = _last_event_id([after])[0]
    read_event_page(current_app_state(), execution_id, requester, after=after, limit=1)
    key = parse_uuid(execution_id, "execution")
    return _respond({key: after}, requester, names_execution=False)


def respond_to_several(positions: Positions, requester: Identity) -> Response:
    """Stream the events after *positions*, or after the ``Last-Event-ID`` of the request.

    Each message names its execution, and its id has the positions in all of them.

    :raises NotFound: if there is no such execution, or not for *requester*; it names all of these.
    :raises TooManyStreams: if the user or this process has as many open as allowed.
    """
    after = _last_event_id([*positions.values()])
    positions = dict(zip(positions, after, strict=True))
    read_several(positions, requester, limit=0)
    return _respond(positions, requester, names_execution=True)


def _respond(positions: Positions, requester: Identity, *, names_execution: bool) -> Response:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    with contextlib.ExitStack() as stack:
        stack.enter_context(counted_stream())
        settings = current_app_state().settings
        stack.enter_context(limiters.current().acquire(requester.user_id, settings))
        subscription = stack.enter_context(subscribers.current().subscribe(*positions))
        stream = Stream(app, positions, requester, subscription, names_execution=names_execution)
        response = Response(stream.frames(), mimetype=MIMETYPE)
        # Proxies must not buffer the small parts of a stream.
        response.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.call_on_close(stack.pop_all().close)
    return response


def _last_event_id(after: list[int]) -> list[int]:
    """Return the positions of ``Last-Event-ID``, or *after*."""
    given = request.headers.get("Last-Event-ID", "").strip()
    if not given:
        return after
    numbers = given.split(",")
    if len(numbers) != len(after) or not all(map(_is_number, numbers)):
        detail = "'Last-Event-ID' must be the id of an event that this server has sent."
        raise InvalidRequest(detail, [Problem("/Last-Event-ID", InvalidRequest.code, detail)])
    return [int(number) for number in numbers]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS


class Stream:
    """The stream of one client, about one or several executions."""

    def __init__(
        self,
        app: Flask,
        positions: Positions,
        requester: Identity,
        subscription: Subscription,
        *,
        names_execution: bool,
    ) -> None:
        self._app = app
        self._positions = dict(positions)
        self._open = set(positions)
        """Executions that may still have events to come."""
        self._has_hung_up = hang_up_check()
        self._requester = requester
        self._subscription = subscription
        self._names_execution = names_execution

    def frames(self) -> Iterator[str]:
        """Yield events, tokens of streaming models, heartbeats, and the end of each execution.

        A client that receives no end reconnects: also after the database was unavailable, and
        when this server is about to stop.
        """
        try:
            yield from self._frames()
        except SQLAlchemyError:
            log.warning("A stream ends early: the database is unavailable.", exc_info=True)

    def _frames(self) -> Iterator[str]:
        settings = self._app.extensions["crewexec"].settings
        deadline = time.monotonic() + settings.max_stream_seconds
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        due = set(self._open)
        while (left := deadline - time.monotonic()) > 0 and not self._is_over():
            if due:
                due = yield from self._new_events(due)
            if not self._open:
                return
            if due:
                continue
            seconds = min(left, settings.stream_heartbeat_interval)
            messages = self._subscription.wait(seconds, self._is_over)
            yield from (self._frame("token", *each) for each in messages if each.tokens)
            due = {each.execution_id for each in messages if not each.tokens} & self._open
            if not messages:
                due = set(self._open)
                yield ":\n\n"

    def _is_over(self) -> bool:
        return is_stopping() or self._has_hung_up()

    def _new_events(self, due: set[uuid.UUID]) -> Generator[str, None, set[uuid.UUID]]:
        """Yield the next events of executions, and return those that have more."""
        pages = self._read(due)
        for id in due:
            page = pages.get(id, EventPage([], REMOVED))
            yield from (self._event(id, event) for event in page.events)
            if page.final_status is not None:
                self._open.remove(id)
                yield self._frame("end", id, {"status": page.final_status})
        return {id for id, page in pages.items() if page.has_more}

    def _read(self, due: set[uuid.UUID]) -> Mapping[uuid.UUID, EventPage]:
        positions = {id: self._positions[id] for id in due}
        with self._app.app_context():
            return read_event_pages(current_app_state(), positions, self._requester, limit=MAX_PAGE)

    def _event(self, execution_id: uuid.UUID, event: Json) -> str:
        self._positions[execution_id] = event["seq"]
        id = ",".join(map(str, self._positions.values()))
        return f"id: {id}\n" + self._frame(event["type"], execution_id, event)

    def _frame(self, type: str, execution_id: uuid.UUID, data: Json) -> str:
        if self._names_execution:
            data = {"execution_id": str(execution_id), **data}
        return f"event: {type}\ndata: {json.dumps(data)}\n\n"
