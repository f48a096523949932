"""Publish announcements over Redis: an execution has new events, or a model has sent tokens.

Announcements may be lost; the events themselves are in the database. So nobody waits for the
broker: a background thread publishes in batches.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from celery import Celery
from flask import Flask

from ..app_state import AppState
from ..app_state import current_app_state
from ..background_thread import BackgroundThread
from ..per_app import AppLocal
from .broker import shared_broker_client
from .broker_faults import is_broker_fault
from .eager import is_eager
from .publishing import publish_delivery_request

CHANNEL_PREFIX: t.Final = "crewexec:announcements:"
"""Followed by an execution's id."""
BACKOFF_SECONDS: t.Final = 5.0
"""How long nothing is published after the broker did not accept a batch."""
BATCH_SECONDS: t.Final = 0.05
"""How long messages are collected before they are published together."""
IDLE_SECONDS: t.Final = 0.2
"""How long the thread waits for a message before it ends; a process that exits waits for that."""
MAX_PENDING: t.Final = 1000
"""Messages of one execution that are kept while the broker is slow; further ones are lost."""
NEW_EVENTS: t.Final = "{}"
_ABSENT: t.Final = "crewexec:absent"
"""A key that nobody sets; deleting it changes nothing, but replicas refuse to."""
_DELIVERY_REQUEST: t.Final = "delivery request"
"""In place of a channel: a message for a worker."""

_Batch = Mapping[str, Sequence[str]]
"""Messages by channel."""

log = logging.getLogger(__name__)


def announce_new_events(execution_ids: Iterable[uuid.UUID]) -> None:
    """Notify the subscribers of these executions that there are new events."""
    for execution_id in execution_ids:
        _publishers.current().add(f"{CHANNEL_PREFIX}{execution_id}", NEW_EVENTS)


def request_delivery() -> None:
    """Let a worker deliver what is in the outbox; several requests become one message."""
    _publishers.current().add(_DELIVERY_REQUEST, NEW_EVENTS)


def publish_tokens(execution_id: uuid.UUID, message: dict[str, t.Any]) -> None:
    """Send *message* to the execution's subscribers; it is lost if the broker is unavailable."""
    _publishers.current().add(f"{CHANNEL_PREFIX}{execution_id}", json.dumps(message))


def flush() -> None:
    """Publish what is pending now, since this process exits without joining its threads."""
    _publishers.current().flush()


class _Publisher:
    """The pending messages of one application in this process."""

    def __init__(self, app: Flask) -> None:
        # Not a daemon: a process that exits publishes its last messages first.
        self._thread = BackgroundThread(
            app, self._work, name="crewexec-event-publisher", daemon=False
        )
        self._celery: Celery = app.extensions["crewexec"].celery
        self._changed = self._thread.changed
        self._publishing = threading.Lock()
        self._pending: dict[str, list[str]] = {}
        self._paused_until = 0.0

    def add(self, channel: str, message: str) -> None:
        """Add a message to the next batch, unless there is no broker or it has just failed."""
        if is_eager(self._celery) or time.monotonic() < self._paused_until:
            return
        with self._changed:
            pending = self._pending.setdefault(channel, [])
            repeated = bool(pending) and pending[-1] == message == NEW_EVENTS
            if not repeated and len(pending) < MAX_PENDING:
                pending.append(message)
            try:
                self._thread.ensure_running()
            except RuntimeError as error:  # there are too many threads, or the process exits
                self._pending = {}
                self._pause(error)
            self._changed.notify()

    def flush(self) -> None:
        """Publish what is pending, after what another thread is publishing."""
        with self._publishing:
            with self._changed:
                batch, self._pending = self._pending, {}
            if batch:
                self._try_to_publish(batch)

    def _work(self) -> None:
        while self._has_pending():
            time.sleep(BATCH_SECONDS)
            self.flush()

    def _has_pending(self) -> bool:
        """Wait for a message for a moment; return False if the thread is to end."""
        with self._changed:
            if not self._pending:
                self._changed.wait(IDLE_SECONDS)
            if not self._pending:
                self._thread.mark_ending()
            return bool(self._pending)

    def _try_to_publish(self, batch: _Batch) -> None:
        try:
            _publish(current_app_state(), batch)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is logged
            self._pause(error)

    def _pause(self, error: Exception) -> None:
        """Stop publishing for a few seconds; the events themselves are committed."""
        self._paused_until = time.monotonic() + BACKOFF_SECONDS
        log.warning(
            "Could not publish event announcements; subscribers will be delayed: %s",
            error,
            exc_info=None if is_broker_fault(error) else error,
        )


_publishers: t.Final = AppLocal(_Publisher)


def _publish(app_state: AppState, batch: _Batch) -> None:
    channels = {**batch}
    if channels.pop(_DELIVERY_REQUEST, None):
        publish_delivery_request(app_state)
    if channels:
        _publish_to_subscribers(app_state, channels)


def _publish_to_subscribers(app_state: AppState, batch: _Batch) -> None:
    with shared_broker_client(app_state) as client:
        _leave_replica(client)
        pipeline = client.pipeline(transaction=False)
        for channel, messages in batch.items():
            for message in messages:
                pipeline.publish(channel, message)
        pipeline.execute()


def _leave_replica(client: t.Any) -> None:
    """Let the client notice that its server has become a replica.

    A replica accepts announcements, but passes them only to its own subscribers.
    """
    from redis.exceptions import ResponseError  # processes that use no broker need not load it

    with contextlib.suppress(ResponseError):  # such as that of a server that cannot save its data
        client.delete(_ABSENT)
