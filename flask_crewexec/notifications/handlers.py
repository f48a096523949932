"""Call the host's handlers, and send signals."""

from __future__ import annotations

import logging
import time
import typing as t
from collections.abc import Callable
from concurrent.futures import Future

from flask import current_app
from flask import Flask

from ..app_state import AppState
from ..bounded_call import has_ended
from ..bounded_call import start_call
from ..errors import UserMissing
from ..per_app import AppLocal
from ..registry.signals import signals
from ..storage.outbox import HANDLER
from .notification import Notification
from .result import Result

log = logging.getLogger(__name__)

MAX_HUNG: t.Final = 8
"""Calls that have exceeded their time and still run, after which a process begins no other."""


class _HungCalls:
    """Calls that were given up."""

    def __init__(self, app: Flask) -> None:
        self._calls: list[Future[t.Any]] = []

    def add(self, call: Future[t.Any]) -> None:
        self._calls.append(call)

    def count(self) -> int:
        self._calls = [call for call in self._calls if not call.done()]
        return len(self._calls)


_hung: t.Final = AppLocal(_HungCalls)


def call_handler(app_state: AppState, receiver: str, notification: Notification) -> Result:
    """Call the handler called *receiver*, in a context of its own and for a limited time."""
    handler = app_state.registry.handlers.get(receiver.removeprefix(HANDLER))
    if handler is None:
        return _failed("not-registered", "This worker knows no such handler.", 0.0)
    return _call(app_state, receiver, notification, lambda: handler.function(notification))


def send_signal(app_state: AppState, receiver: str, notification: Notification) -> Result:
    """Send the signal of a notification."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    signal = signals[notification.type]
    return _call(
        app_state, receiver, notification, lambda: signal.send(app, notification=notification)
    )


def _call(
    app_state: AppState, receiver: str, notification: Notification, function: Callable[[], object]
) -> Result:
    if _hung.current().count() >= MAX_HUNG:
        log.error("%s calls of handlers hang; this process calls no other.", MAX_HUNG)
        return _failed("hung", "Too many calls hang.", 0.0)
    started = time.monotonic()
    call = start_call(_in_app_context(function), name=f"crewexec-{receiver}"[:60])
    ended = has_ended(call, app_state.settings.notification_timeout)
    seconds = time.monotonic() - started
    if not ended:
        _hung.current().add(call)
        _log(receiver, notification, None)
        return _failed("timeout", "It did not return in time.", seconds)
    error = call.exception()
    if error is None:
        return Result(delivered=True, answer={"seconds": seconds})
    _log(receiver, notification, error)
    if isinstance(error, UserMissing):
        return _failed(error.code, error.detail, seconds)
    return _failed("exception", type(error).__name__, seconds)


def _in_app_context(function: Callable[[], object]) -> Callable[[], object]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def call() -> object:
        with app.app_context():
            return function()

    return call


def _failed(code: str, text: str, seconds: float) -> Result:
    return Result(delivered=False, answer={"code": code, "text": text, "seconds": seconds})


def _log(receiver: str, notification: Notification, error: BaseException | None) -> None:
    log.error(
        "%s failed for %s of execution %s; it is tried again.",
        receiver,
        notification.type,
        notification.execution_id,
        exc_info=error,
        extra={"execution_id": notification.execution_id, "user_id": notification.user_id},
    )
