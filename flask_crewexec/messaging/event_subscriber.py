"""Subscribe to announcements over Redis: wake up as soon as an execution has new events.

Announcements may be lost, so subscribers also read the database from time to time. Only the
tokens of streaming models are in the messages themselves; they are not stored anywhere.
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
from collections.abc import Callable
from collections.abc import Iterator

from flask import Flask

from ..app_state import AppState
from ..app_state import current_app_state
from ..background_thread import BackgroundThread
from ..errors import BrokerUnavailable
from ..per_app import AppLocal
from ..process.web_server import is_stopping
from ..process.web_server import STOP_CHECK_SECONDS
from .broker import broker_client
from .event_publisher import CHANNEL_PREFIX

Json = dict[str, t.Any]

MAX_PENDING: t.Final = 1000
"""Messages of an execution that are kept for a reader; a slow one loses further ones."""
RECEIVE_SECONDS: t.Final = 0.1
"""How often the thread looks for new and closed subscriptions."""
PING_SECONDS: t.Final = 2.0
"""How often the broker is pinged."""
POLL_SECONDS: t.Final = 1.0
"""How often subscribers read the database while announcements are unavailable."""

log = logging.getLogger(__name__)


class Announcement(t.NamedTuple):
    """A message about an execution."""

    execution_id: uuid.UUID
    tokens: Json
    """What a streaming model has written; empty if there may be new events in the database."""


class Subscription:
    """The announcements of some executions for one reader."""

    def __init__(self, subscriber: Subscriber, count: int) -> None:
        """Create the subscription to *count* executions."""
        self._subscriber = subscriber
        self._messages: queue.Queue[Announcement] = queue.Queue(count * MAX_PENDING)

    def put(self, message: Announcement) -> None:
        """Add a message, unless too many are unread."""
        with contextlib.suppress(queue.Full):
            self._messages.put_nowait(message)

    def wait(self, seconds: float, is_over: Callable[[], bool] = is_stopping) -> list[Announcement]:
        """Return the messages as soon as there is one, or none after *seconds*.

        While announcements are unavailable it returns earlier, so that the caller reads the
        database; and also when *is_over*: by default, when the web server is about to stop.
        """
        timeout = seconds if self._subscriber.connected else min(seconds, POLL_SECONDS)
        deadline = time.monotonic() + timeout
        messages: list[Announcement] = []
        while not messages and (left := deadline - time.monotonic()) > 0 and not is_over():
            messages = self._take(min(left, STOP_CHECK_SECONDS))
        return messages

    def _take(self, seconds: float) -> list[Announcement]:
        messages: list[Announcement] = []
        with contextlib.suppress(queue.Empty):
            messages.append(self._messages.get(timeout=seconds))
            while True:
                messages.append(self._messages.get_nowait())
        return messages


class _Heartbeat:
    """Detects a broker that no longer answers: an idle connection looks the same."""

    def __init__(self) -> None:
        self._pinged_at = self._heard_at = time.monotonic()

    def heard(self) -> None:
        self._heard_at = time.monotonic()

    def check(self, pubsub: t.Any) -> None:
        """Ping the broker now and then.

        :raises BrokerUnavailable: if it has been silent for too long.
        """
        now = time.monotonic()
        if now > self._heard_at + 2 * PING_SECONDS:
            raise BrokerUnavailable("The message broker has stopped answering.")
        if now > self._pinged_at + PING_SECONDS:
            self._pinged_at = now
            pubsub.ping()


class Subscriber:
    """The subscriptions of one application in this process; a thread receives their messages.

    :ivar connected: whether announcements arrive at present.
    """

    def __init__(self, app: Flask) -> None:
        self._subscriptions: defaultdict[uuid.UUID, list[Subscription]] = defaultdict(list)
        self._thread = BackgroundThread(app, self._work, name="crewexec-event-subscriber")
        self._lock = self._thread.changed
        self.connected = False

    @contextlib.contextmanager
    def subscribe(self, *execution_ids: uuid.UUID) -> Iterator[Subscription]:
        """Subscribe to different executions for the duration of a ``with`` block."""
        subscription = Subscription(self, len(execution_ids))
        with self._lock:
            self._thread.ensure_running()
            for execution_id in execution_ids:
                self._subscriptions[execution_id].append(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                for execution_id in execution_ids:
                    self._remove(execution_id, subscription)

    def _remove(self, execution_id: uuid.UUID, subscription: Subscription) -> None:
        self._subscriptions[execution_id].remove(subscription)
        if not self._subscriptions[execution_id]:
            del self._subscriptions[execution_id]

    def _work(self) -> None:
        while self._has_subscriptions():
            try:
                self._receive(current_app_state())
            except Exception:
                # Whatever it is, the subscribers continue with the database.
                if self.connected:
                    log.warning(
                        "Event announcements are unavailable; polling the database instead.",
                        exc_info=True,
                    )
                self._disconnect()
                time.sleep(POLL_SECONDS)

    def _has_subscriptions(self) -> bool:
        """Return False if the thread is to end."""
        with self._lock:
            if not self._subscriptions:
                self._thread.mark_ending()
                self.connected = False
            return bool(self._subscriptions)

    def _receive(self, app_state: AppState) -> None:
        """Deliver messages until there is no subscription."""
        with broker_client(app_state) as client, client.pubsub() as pubsub:
            channels: set[str] = set()
            heartbeat = _Heartbeat()
            while self._subscriptions:
                channels = self._update_channels(pubsub, channels)
                if message := pubsub.get_message(timeout=RECEIVE_SECONDS):
                    heartbeat.heard()
                    self._deliver(message)
                else:  # so it is not this thread that was too slow to read an answer
                    heartbeat.check(pubsub)

    def _update_channels(self, pubsub: t.Any, subscribed: set[str]) -> set[str]:
        """Subscribe to the channels that are wanted by now, and to no others."""
        with self._lock:
            wanted = {f"{CHANNEL_PREFIX}{id}" for id in self._subscriptions}
        if new := wanted - subscribed:
            pubsub.subscribe(*new)
        if old := subscribed - wanted:
            pubsub.unsubscribe(*old)
        return wanted

    def _deliver(self, message: Json) -> None:
        if message["type"] == "subscribe":
            self.connected = True
            self._put(_execution_of(message["channel"]), {})  # there may have been events before
        elif message["type"] == "message":
            self._put(_execution_of(message["channel"]), json.loads(message["data"]))

    def _put(self, execution_id: uuid.UUID, tokens: Json) -> None:
        with self._lock:
            subscriptions = tuple(self._subscriptions.get(execution_id, ()))
        for subscription in subscriptions:
            subscription.put(Announcement(execution_id, tokens))

    def _disconnect(self) -> None:
        """Wake up all readers, since they have to read the database now."""
        self.connected = False
        with self._lock:
            execution_ids = tuple(self._subscriptions)
        for execution_id in execution_ids:
            self._put(execution_id, {})


def _execution_of(channel: bytes | str) -> uuid.UUID:
    name = channel.decode() if isinstance(channel, bytes) else channel
    return uuid.UUID(name.removeprefix(CHANNEL_PREFIX))


subscribers: t.Final = AppLocal(Subscriber)
