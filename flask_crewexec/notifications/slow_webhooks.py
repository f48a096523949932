"""Webhooks whose servers answer slowly, which occupy only some of the threads of a process.

A user who has many of them would otherwise let all others' notifications wait. How fast a server
is shows only when it is asked, so the first time they may occupy all threads.
"""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t
from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator

from flask import Flask

from ..per_app import AppLocal
from ..storage.delivery_claims import Claim
from ..storage.outbox import WEBHOOK

SLOW_SECONDS: t.Final = 1.0
"""How long a server may take that is not slow."""
REMEMBERED_SECONDS: t.Final = 600.0
"""For how long users count as slow after one of their servers was."""


class SlowWebhooks:
    """The users whose webhooks are slow, as far as this process has seen it.

    :param most: how many notifications may be sent to the webhooks of all of them at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._claiming = threading.Lock()
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._slow_until: dict[str, float] = {}

    def claim(self, claim: Callable[[Collection[str]], Claim | None]) -> Claim | None:
        """Call *claim* with the users whose webhooks must wait, and count what it returns.

        It is sent within :meth:`sending`.
        """
        with self._claiming if self._slow_until else contextlib.nullcontext():
            claimed = claim(self._must_wait())
            if claimed is not None and _is_of_webhook(claimed):
                with self._lock:
                    self._open[claimed.owner_id] += 1
            return claimed

    def _must_wait(self) -> Collection[str]:
        with self._lock:
            now = time.monotonic()
            self._slow_until = {
                owner_id: until for owner_id, until in self._slow_until.items() if until > now
            }
            count = sum(self._open[owner_id] for owner_id in self._slow_until)
            return [*self._slow_until] if count >= self._most else ()

    @contextlib.contextmanager
    def sending(self, claimed: Claim) -> Iterator[None]:
        """Note how long a notification takes that was claimed."""
        start = time.monotonic()
        try:
            yield
        finally:
            if _is_of_webhook(claimed):
                self._note_end(claimed.owner_id, time.monotonic() - start)

    def _note_end(self, owner_id: str, seconds: float) -> None:
        with self._lock:
            self._open[owner_id] -= 1
            if not self._open[owner_id]:
                del self._open[owner_id]
            if seconds > SLOW_SECONDS:
                self._slow_until[owner_id] = time.monotonic() + REMEMBERED_SECONDS


def _is_of_webhook(claimed: Claim) -> bool:
    return claimed.key.receiver.startswith(WEBHOOK)


def _make(app: Flask) -> SlowWebhooks:
    threads = app.extensions["crewexec"].settings.notification_threads
    return SlowWebhooks(max(1, threads // 2))


slow_webhooks: t.Final = AppLocal(_make)
