"""Calls that may hang, such as one to a database that accepts and never answers.

No driver has a time-out for all of it: connecting, a server that is frozen, a file that is
locked, a name that is not resolved. So each call has a thread, and whoever asks waits for so long.
"""

from __future__ import annotations

import threading
import time
import typing as t
from collections.abc import Callable

from flask import current_app
from flask import Flask

from ..per_app import AppLocal

MOST_AT_ONCE: t.Final = 4
"""How many calls of one kind may be under way, so that those that hang do not pile up."""

R = t.TypeVar("R")


class CallTimedOut(Exception):
    """The call did not end in time, or earlier ones still hang."""


class TimeBoundCall:
    """Makes calls of one kind, in the current application context, and waits for them briefly."""

    def __init__(self) -> None:
        self._rooms = AppLocal(lambda app: threading.Semaphore(MOST_AT_ONCE))

    def __call__(self, action: Callable[[], R], seconds: float) -> R:
        """Return what *action* returns, or raise what it raises.

        :raises TookTooLong: after *seconds*; the call itself may go on.
        """
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        room = self._rooms.current()
        deadline = time.monotonic() + seconds
        if not room.acquire(timeout=seconds):
            raise CallTimedOut
        call = _Call(app, action, room.release)
        try:
            call.start()
        except BaseException:  # no thread is to be had, so nobody else would give the room back
            room.release()
            raise
        call.join(max(0.0, deadline - time.monotonic()))
        if call.is_alive():
            raise CallTimedOut
        if call.error is not None:
            raise call.error
        return t.cast(R, call.result)


class _Call(threading.Thread):
    def __init__(self, app: Flask, action: Callable[[], object], end: Callable[[], None]) -> None:
        super().__init__(name="crewexec-bounded", daemon=True)
        self._app = app
        self._action = action
        self._end = end
        self.result: object = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with self._app.app_context():
                self.result = self._action()
        except Exception as error:  # noqa: BLE001  # the caller raises it
            self.error = error
        finally:
            self._end()
