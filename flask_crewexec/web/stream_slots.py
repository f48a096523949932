"""Limits how many requests of one web process are streams or wait for something.

Each of them occupies a thread of the web server. Beyond the limits streams are refused, and
requests that would wait are answered at once.
"""

from __future__ import annotations

import contextlib
import threading
import typing as t
from collections import Counter
from collections.abc import Iterator

from ..app_state import current_app_state
from ..config.settings import Settings
from ..errors import CrewExecError
from ..per_app import AppLocal
from ..process.web_server import request_threads


class TooManyStreams(CrewExecError):
    """The user, or this web process, has as many streams open as they may have."""

    code = "too-many-streams"
    status = 503
    title = "Too many streams"
    remedy = "Read pages of events with '?after=…', or do what 'detail' says."


_ONE_THREAD: t.Final = (
    "This server handles one request at a time, so none may stay open. Run gunicorn with"
    " '--worker-class=gthread' and several '--threads', or with '--worker-class=gevent'. Until then"
    " read pages with '?after=…'."
)


class StreamLimiter:
    """Limits the open streams and waiting requests of one application in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def acquire(
        self, user_id: str, settings: Settings, *, with_one_thread: bool = False
    ) -> Iterator[None]:
        """Count a stream or waiting request of a user within the block.

        :param with_one_thread: allow one in a server that handles one request at a time.
        :raises TooManyStreams: if as many are open as allowed.
        """
        most = max(int(with_one_thread), _max_streams(settings))
        with self._lock:
            self._check(user_id, settings, most)
            self._open[user_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[user_id] -= 1
                if not self._open[user_id]:
                    del self._open[user_id]

    def _check(self, user_id: str, settings: Settings, most: int) -> None:
        if not most:
            raise TooManyStreams(_ONE_THREAD)
        half = (most + 1) // 2  # others shall find a place
        _check_limit("You have", self._open[user_id], min(settings.max_streams_per_user, half))
        _check_limit("This server has", self._open.total(), most)


def _max_streams(settings: Settings) -> int:
    """Return the limit of this process: a quarter of gunicorn's threads stays free, at least one.

    So it is zero where there is only one.
    """
    threads = request_threads()
    if threads is None:
        return settings.max_streams
    return min(settings.max_streams, threads - max(1, threads // 4))


def _check_limit(subject: str, count: int, limit: int) -> None:
    if count >= limit:
        raise TooManyStreams(
            f"{subject} as many streams or waiting requests open as allowed: {count}. Close one,"
            " try again in a moment, or read pages with '?after=…'."
        )


limiters: t.Final = AppLocal(lambda app: StreamLimiter())


@contextlib.contextmanager
def waiting(user_id: str, seconds: float) -> Iterator[float]:
    """Return how long a request may wait that asks for *seconds*: zero beyond the limits."""
    with contextlib.ExitStack() as stack:
        if seconds:
            try:
                settings = current_app_state().settings
                stack.enter_context(limiters.current().acquire(user_id, settings))
            except TooManyStreams:
                seconds = 0.0
        yield seconds
