"""The history of an execution as Server-Sent Events, for as long as a client listens.

https://html.spec.whatwg.org/multipage/server-sent-events.html

A stream holds a thread (or greenlet) of the web server but no database connection: each look is a
short transaction. A client that has gone is noticed with the next event or heartbeat.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import typing as t
import uuid
from collections import Counter
from collections.abc import Iterator

from flask import current_app
from flask import Flask
from flask import json
from flask import request
from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from ..app_state import current_app_state
from ..config.settings import Settings
from ..errors import CrewExecError
from ..errors import InvalidRequest
from ..errors import NotFound
from ..errors import Problem
from ..identity import Identity
from ..ids import parse_uuid
from ..messaging.event_subscriber import subscribers
from ..messaging.event_subscriber import Subscription
from ..per_app import AppLocal
from ..services.async_execution_service import AsyncExecutionService
from .stream_metrics import counted_stream

Json = dict[str, t.Any]

MIMETYPE: t.Final = "text/event-stream"
REMOVED: t.Final = "removed"
"""The final state of an execution that was removed while a client listened."""
RETRY_MILLISECONDS: t.Final = 2000
"""After which a client that lost its stream asks again."""
MAX_PAGE: t.Final = 200

log = logging.getLogger(__name__)

_service: t.Final = AsyncExecutionService()


class TooManyStreams(CrewExecError):
    """The user, or this web process, has as many streams open as the settings allow."""

    code = "too-many-streams"
    status = 503
    title = "Too many streams"
    remedy = "Close a stream, or read pages of events with '?after=…&wait=…'."


class StreamLimiter:
    """The open streams of one application in this process, by user."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def acquire(self, user_id: str, settings: Settings) -> Iterator[None]:
        """Count a stream of a user meanwhile.

        :raises TooManyStreams: if there are as many as the settings allow.
        """
        with self._lock:
            _check_room("You have", self._taken[user_id], settings.max_streams_per_user)
            _check_room("This server has", self._taken.total(), settings.max_streams)
            self._taken[user_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[user_id] -= 1
                if not self._taken[user_id]:
                    del self._taken[user_id]


def _check_room(whose: str, taken: int, limit: int) -> None:
    if taken >= limit:
        raise TooManyStreams(
            f"{whose} {taken} streams open. Close one, try again in a moment, or ask for pages with"
            " '?after=…&wait=…'."
        )


slots: t.Final = AppLocal(lambda app: StreamLimiter())


def wants_stream() -> bool:
    """Whether the client of the current request asks for a stream."""
    accepted = request.accept_mimetypes
    return accepted[MIMETYPE] > accepted["application/json"]


def respond(execution_id: str, requester: Identity, after: int) -> Response:
    """Stream the events after number *after*, or after the ``Last-Event-ID`` of the request.

    :raises NotFound: if there is no such execution, or not for *asker*.
    :raises TooManyStreams: if this process serves as many as it may.
    """
    after = _last_event_id(after)
    _service.get_events(execution_id, requester, after=after, limit=1)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    with contextlib.ExitStack() as stack:
        stack.enter_context(counted_stream())
        stack.enter_context(
            slots.current().acquire(requester.user_id, current_app_state().settings)
        )
        inbox = stack.enter_context(
            subscribers.current().subscribe(parse_uuid(execution_id, "execution"))
        )
        stream = Stream(app, parse_uuid(execution_id, "execution"), requester, after, inbox)
        answer = Response(stream.frames(), mimetype=MIMETYPE)
        # Proxies must not collect what comes in small pieces.
        answer.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        answer.call_on_close(stack.pop_all().close)
    return answer


def _last_event_id(after: int) -> int:
    given = request.headers.get("Last-Event-ID", "").strip()
    if not given:
        return after
    if not given.isascii() or not given.isdecimal() or len(given) > 9:
        detail = "'Last-Event-ID' must be the id of an event that this server has sent."
        raise InvalidRequest(detail, [Problem("/Last-Event-ID", InvalidRequest.code, detail)])
    return int(given)


class Stream:
    """What one client is sent."""

    def __init__(
        self,
        app: Flask,
        execution_id: uuid.UUID,
        requester: Identity,
        after: int,
        inbox: Subscription,
    ) -> None:
        self._app = app
        self._execution_id = execution_id
        self._requester = requester
        self._after = after
        self._inbox = inbox

    def frames(self) -> Iterator[str]:
        """Yield events as they come, words of streaming models, heartbeats, and the end.

        Without its end the client asks again, which is also right when the database is away.
        """
        try:
            yield from self._frames()
        except SQLAlchemyError:
            log.warning("A stream ends early: the database does not answer.", exc_info=True)

    def _frames(self) -> Iterator[str]:
        settings = self._app.extensions["crewexec"].settings
        closes = time.monotonic() + settings.max_stream_seconds
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        is_due = True
        while (left := closes - time.monotonic()) > 0:
            if is_due:
                events, state = self._look()
                yield from map(_event, events)
                if len(events) == MAX_PAGE:
                    continue
                if state is not None:
                    yield _frame("end", {"status": state})
                    return
            messages = self._inbox.wait(min(left, settings.stream_heartbeat_interval))
            words = [message for message in messages if message]
            yield from (_frame("token", each) for each in words)
            is_due = not messages or len(words) < len(messages)
            if not messages:
                yield ":\n\n"

    def _look(self) -> tuple[list[Json], str | None]:
        """Return the next events, and the final state if nothing follows them."""
        with self._app.app_context():
            try:
                page = _service.read_events(
                    self._execution_id, self._requester, after=self._after, limit=MAX_PAGE
                )
            except NotFound:
                return [], REMOVED
        if page.events:
            self._after = page.events[-1]["seq"]
        return page.events, page.final_state


def _event(event: Json) -> str:
    return f"id: {event['seq']}\n" + _frame(event["type"], event)


def _frame(type: str, data: Json) -> str:
    return f"event: {type}\ndata: {json.dumps(data)}\n\n"
