"""Events of an execution as Server-Sent Events.

https://html.spec.whatwg.org/multipage/server-sent-events.html

A stream occupies a thread (or greenlet) of the web server but no database connection: each page
is read in a short transaction. A client that has disconnected is noticed with the next event or
heartbeat.
"""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t
import uuid
from collections.abc import Iterator

from flask import current_app
from flask import Flask
from flask import json
from flask import request
from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from ..app_state import current_app_state
from ..errors import InvalidRequest
from ..errors import NotFound
from ..errors import Problem
from ..identity import Identity
from ..ids import parse_uuid
from ..messaging.event_subscriber import subscribers
from ..messaging.event_subscriber import Subscription
from ..process.web_server import is_stopping
from ..services.event_pages import EventPage
from ..services.event_pages import read_event_page
from .stream_metrics import counted_stream
from .stream_slots import limiters

Json = dict[str, t.Any]

MIMETYPE: t.Final = "text/event-stream"
REMOVED: t.Final = "removed"
"""Final status for clients of an execution that was purged during the stream."""
RETRY_MILLISECONDS: t.Final = 2000
"""Delay after which a client reconnects."""
MAX_PAGE: t.Final = 200

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
    after = _last_event_id(after)
    read_event_page(current_app_state(), execution_id, requester, after=after, limit=1)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    with contextlib.ExitStack() as stack:
        stack.enter_context(counted_stream())
        settings = current_app_state().settings
        stack.enter_context(limiters.current().acquire(requester.user_id, settings))
        key = parse_uuid(execution_id, "execution")
        subscription = stack.enter_context(subscribers.current().subscribe(key))
        stream = Stream(app, key, requester, after, subscription)
        response = Response(stream.frames(), mimetype=MIMETYPE)
        # Proxies must not buffer the small parts of a stream.
        response.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.call_on_close(stack.pop_all().close)
    return response


def _last_event_id(after: int) -> int:
    given = request.headers.get("Last-Event-ID", "").strip()
    if not given:
        return after
    if not given.isascii() or not given.isdecimal() or len(given) > 9:
        detail = "'Last-Event-ID' must be the id of an event that this server has sent."
        raise InvalidRequest(detail, [Problem("/Last-Event-ID", InvalidRequest.code, detail)])
    return int(given)


class Stream:
    """The stream of one client."""

    def __init__(
        self,
        app: Flask,
        execution_id: uuid.UUID,
        requester: Identity,
        after: int,
        subscription: Subscription,
    ) -> None:
        self._app = app
        self._execution_id = execution_id
        self._requester = requester
        self._after = after
        self._subscription = subscription

    def frames(self) -> Iterator[str]:
        """Yield events, tokens of streaming models, heartbeats, and the end.

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
        is_due = True
        while (left := deadline - time.monotonic()) > 0 and not is_stopping():
            if is_due:
                page = self._read_page()
                yield from map(_event, page.events)
                if len(page.events) == MAX_PAGE:
                    continue
                if page.final_status is not None:
                    yield _frame("end", {"status": page.final_status})
                    return
            messages = self._subscription.wait(min(left, settings.stream_heartbeat_interval))
            tokens = [message for message in messages if message]
            yield from (_frame("token", each) for each in tokens)
            is_due = not messages or len(tokens) < len(messages)
            if not messages:
                yield ":\n\n"

    def _read_page(self) -> EventPage:
        with self._app.app_context():
            page = self._next_page()
        if page.events:
            self._after = page.events[-1]["seq"]
        return page

    def _next_page(self) -> EventPage:
        where = {"after": self._after, "limit": MAX_PAGE}
        try:
            return read_event_page(
                current_app_state(), self._execution_id, self._requester, **where
            )
        except NotFound:
            return EventPage([], REMOVED)


def _event(event: Json) -> str:
    return f"id: {event['seq']}\n" + _frame(event["type"], event)


def _frame(type: str, data: Json) -> str:
    return f"event: {type}\ndata: {json.dumps(data)}\n\n"
