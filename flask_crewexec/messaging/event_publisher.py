"""Tell those who listen to an execution over Redis that there is something new.

It is a wake-up call and may get lost; the database has the truth. So nobody waits for the broker:
a thread sends what has come together in a moment.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from flask import Flask

from ..app_state import AppState
from ..app_state import current_app_state
from ..background_thread import BackgroundThread
from ..per_app import AppLocal
from .broker import shared_broker_client

CHANNEL: t.Final = "crewexec:news:"
"""Followed by an execution's id."""
BACKOFF_SECONDS: t.Final = 5.0
"""Seconds without news after the broker did not take any."""
BATCH_SECONDS: t.Final = 0.05
"""How long a message waits for others."""
IDLE_SECONDS: t.Final = 0.2
"""How long the thread waits for a message until it ends; Python waits for that when it ends."""
MOST_WAITING: t.Final = 1000
"""Messages of one execution that wait for a slow broker; the rest gets lost."""
NEW_EVENTS: t.Final = "{}"

_Messages = Mapping[str, Sequence[str]]
"""By channel."""

log = logging.getLogger(__name__)


def notify_new_events(execution_ids: Iterable[uuid.UUID]) -> None:
    """Tell everybody who listens that there are new events."""
    for execution_id in execution_ids:
        _announcers.current().send(execution_id, NEW_EVENTS)


def publish_tokens(execution_id: uuid.UUID, message: dict[str, t.Any]) -> None:
    """Send *message* to everybody who listens; without a broker, to nobody."""
    _announcers.current().send(execution_id, json.dumps(message))


def flush() -> None:
    """Send what waits now, since this process is about to end without waiting for its threads."""
    _announcers.current().send_all()


class _Publisher:
    """What one application in this process has to say."""

    def __init__(self, app: Flask) -> None:
        # Not a daemon: a process that exits sends its last messages first.
        self._thread = BackgroundThread(
            app, self._publish, name="crewexec-event-publisher", daemon=False
        )
        self._changed = self._thread.changed
        self._sending = threading.Lock()
        self._waiting: dict[str, list[str]] = {}
        self._silent_until = 0.0

    def send(self, execution_id: uuid.UUID, message: str) -> None:
        """Let a message be sent, unless the broker took none a moment ago."""
        if time.monotonic() < self._silent_until:
            return
        with self._changed:
            waiting = self._waiting.setdefault(f"{CHANNEL}{execution_id}", [])
            called = bool(waiting) and waiting[-1] == message == NEW_EVENTS
            if not called and len(waiting) < MOST_WAITING:
                waiting.append(message)
            try:
                self._thread.ensure_running()
            except RuntimeError as error:  # there are too many threads, or the process exits
                self._waiting = {}
                self._fall_silent(error)
            self._changed.notify()

    def _publish(self) -> None:
        while self._have_some():
            time.sleep(BATCH_SECONDS)
            self.send_all()

    def send_all(self) -> None:
        """Send what waits, behind what another thread is sending."""
        with self._sending:
            with self._changed:
                messages, self._waiting = self._waiting, {}
            if messages:
                self._try_to_send(current_app_state(), messages)

    def _have_some(self) -> bool:
        """Whether there is a message; if none comes, the thread ends, and the next starts one."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(IDLE_SECONDS)
            if not self._waiting:
                self._thread.mark_ending()
            return bool(self._waiting)

    def _try_to_send(self, app_state: AppState, messages: _Messages) -> None:
        try:
            _send(app_state, messages)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is logged
            self._fall_silent(error)

    def _fall_silent(self, error: Exception) -> None:
        """Say nothing for a while; what the news are about is committed all the same."""
        self._silent_until = time.monotonic() + BACKOFF_SECONDS
        log.warning("News of executions cannot be sent; they come late.", exc_info=error)


_announcers: t.Final = AppLocal(_Publisher)


def _send(app_state: AppState, messages: _Messages) -> None:
    with shared_broker_client(app_state) as client:
        pipeline = client.pipeline(transaction=False)
        for channel, some in messages.items():
            for message in some:
                pipeline.publish(channel, message)
        pipeline.execute()
