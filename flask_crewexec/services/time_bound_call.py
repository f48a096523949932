"""Calls with a timeout, for instance to a database that accepts connections and never answers.

No driver has a timeout that covers everything: resolving the name, connecting, a hanging server, a
locked file. So each call has a thread, and the caller waits for a limited time.
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

MAX_CONCURRENT: t.Final = 4
"""Number of concurrent calls of one kind, so that hanging calls do not pile up."""

R = t.TypeVar("R")


class CallTimedOut(Exception):
    """The call did not end in time, or too many earlier calls hang."""


class TimeBoundCall:
    """Makes calls of one kind with a timeout, in the context of the current application."""

    def __init__(self) -> None:
        self._slots = AppLocal(lambda app: threading.Semaphore(MAX_CONCURRENT))

    def __call__(self, action: Callable[[], R], seconds: float) -> R:
        """Return what *action* returns, or raise what it raises.

        :raises CallTimedOut: after *seconds*; the call itself may continue.
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
