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

from ..bounded_call import has_ended
from ..bounded_call import start_call
from ..per_app import AppLocal

MOST_AT_ONCE: t.Final = 4
"""How many calls of one kind may be under way, so that those that hang do not pile up."""

R = t.TypeVar("R")


class CallTimedOut(Exception):
    """The call did not end in time, or earlier ones still hang."""


class TimeBoundCall:
    """Makes calls of one kind, in the current application context, and waits for them briefly."""

    def __init__(self) -> None:
        self._slots = AppLocal(lambda app: threading.Semaphore(MOST_AT_ONCE))

    def __call__(self, action: Callable[[], R], seconds: float) -> R:
        """Return what *action* returns, or raise what it raises.

        :raises CallTimedOut: after *seconds*; the call itself may go on.
        """
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        slots = self._slots.current()
        deadline = time.monotonic() + seconds
        if not slots.acquire(timeout=seconds):
            raise CallTimedOut

        def call_in_context() -> R:
            try:
                with app.app_context():
                    return action()
            finally:
                slots.release()

        try:
            call = start_call(call_in_context, name="crewexec-bounded")
        except BaseException:  # no thread could be started, so nothing else frees the slot
            slots.release()
            raise
        if not has_ended(call, max(0.0, deadline - time.monotonic())):
            raise CallTimedOut
        return call.result()
