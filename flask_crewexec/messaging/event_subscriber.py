"""News of executions over Redis: who waits for an event is woken as soon as it is committed.

News are wake-up calls and may get lost; the database has the truth, and whoever listens looks
there from time to time as well. Only the words of streaming models travel in them, for nobody
keeps those.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import time
import typing as t
import uuid
from collections import defaultdict
from collections.abc import Iterator

from flask import Flask

from ..app_state import AppState
from ..app_state import current_app_state
from ..background_thread import BackgroundThread
from ..errors import BrokerUnavailable
from ..per_app import AppLocal
from .broker import broker_client
from .event_publisher import CHANNEL

Json = dict[str, t.Any]

MAX_WAITING: t.Final = 1000
"""Words that wait for one listener; a slow one loses the rest."""
LOOK_SECONDS: t.Final = 0.1
"""How often the listening thread sees who has come and gone."""
PULSE_SECONDS: t.Final = 2.0
"""How often the broker is asked for a sign of life."""
POLL_SECONDS: t.Final = 1.0
"""How often listeners look into the database while no news come."""

log = logging.getLogger(__name__)


class Subscription:
    """The news of one execution for one listener."""

    def __init__(self, source: Subscriber) -> None:
        self._source = source
        self._messages: queue.Queue[Json] = queue.Queue(MAX_WAITING)

    def put(self, message: Json) -> None:
        """Add a message, unless nobody has read the last ones."""
        with contextlib.suppress(queue.Full):
            self._messages.put_nowait(message)

    def wait(self, seconds: float) -> list[Json]:
        """Return the messages as soon as there is one, or none after *seconds*.

        While the broker is away it returns earlier, for the database may have something.
        """
        patience = seconds if self._source.connected else min(seconds, POLL_SECONDS)
        messages: list[Json] = []
        with contextlib.suppress(queue.Empty):
            messages.append(self._messages.get(timeout=patience))
            while True:
                messages.append(self._messages.get_nowait())
        return messages


class _Heartbeat:
    """Whether the broker still answers: one that is frozen, or cut off, looks like a silent one."""

    def __init__(self) -> None:
        self._asked_at = self._felt_at = time.monotonic()

    def felt(self) -> None:
        self._felt_at = time.monotonic()

    def check(self, pubsub: t.Any) -> None:
        """Ask for a sign of life now and then.

        :raises BrokerUnavailable: if there was none for too long.
        """
        now = time.monotonic()
        if now > self._felt_at + 2 * PULSE_SECONDS:
            raise BrokerUnavailable("The message broker gives no sign of life.")
        if now > self._asked_at + PULSE_SECONDS:
            self._asked_at = now
            pubsub.ping()


class Subscriber:
    """What one application in this process hears; a thread listens while anybody wants to know."""

    def __init__(self, app: Flask) -> None:
        self._inboxes: defaultdict[str, list[Subscription]] = defaultdict(list)
        self._thread = BackgroundThread(app, self._listen, name="crewexec-event-subscriber")
        self._lock = self._thread.changed
        self.connected = False

    @contextlib.contextmanager
    def subscribe(self, execution_id: uuid.UUID) -> Iterator[Subscription]:
        """Listen to an execution meanwhile."""
        inbox, channel = Subscription(self), f"{CHANNEL}{execution_id}"
        with self._lock:
            self._thread.ensure_running()
            self._inboxes[channel].append(inbox)
        try:
            yield inbox
        finally:
            with self._lock:
                self._inboxes[channel].remove(inbox)
                if not self._inboxes[channel]:
                    del self._inboxes[channel]

    def _listen(self) -> None:
        while self._has_subscribers():
            try:
                self._receive(current_app_state())
            except Exception:
                # Whatever it is, those who listen go on with the database.
                if self.connected:
                    log.warning("No news come; events are read from the database.", exc_info=True)
                self._stop_coming()
                time.sleep(POLL_SECONDS)

    def _has_subscribers(self) -> bool:
        """Whether anybody listens; if not, the thread ends, and the next one starts another."""
        with self._lock:
            if not self._inboxes:
                self._thread.mark_ending()
                self.connected = False
            return bool(self._inboxes)

    def _receive(self, app_state: AppState) -> None:
        """Deliver news until nobody wants any."""
        with broker_client(app_state) as client, client.pubsub() as pubsub:
            heard: set[str] = set()
            pulse = _Heartbeat()
            while self._inboxes:
                heard = self._follow(pubsub, heard)
                pulse.check(pubsub)
                if message := pubsub.get_message(timeout=LOOK_SECONDS):
                    pulse.felt()
                    self._deliver(message)

    def _follow(self, pubsub: t.Any, heard: set[str]) -> set[str]:
        """Subscribe to what somebody listens to by now."""
        with self._lock:
            wanted = set(self._inboxes)
        if new := wanted - heard:
            pubsub.subscribe(*new)
        if old := heard - wanted:
            pubsub.unsubscribe(*old)
        return wanted

    def _deliver(self, message: Json) -> None:
        if message["type"] == "subscribe":
            self.connected = True
            self._put(message["channel"], {})  # something may have happened before
        elif message["type"] == "message":
            self._put(message["channel"], json.loads(message["data"]))

    def _put(self, channel: bytes | str, message: Json) -> None:
        name = channel.decode() if isinstance(channel, bytes) else channel
        with self._lock:
            inboxes = tuple(self._inboxes.get(name, ()))
        for inbox in inboxes:
            inbox.put(message)

    def _stop_coming(self) -> None:
        """Wake everybody, since they must look into the database now."""
        self.connected = False
        with self._lock:
            channels = tuple(self._inboxes)
        for channel in channels:
            self._put(channel, {})


subscribers: t.Final = AppLocal(Subscriber)
