"""The threads of a worker process that deliver notifications, beside the tasks of its pool.

So a slow receiver takes no place of a crew, and delays no maintenance.
"""

from __future__ import annotations

import functools
import logging
import typing as t
import weakref

from celery import Celery
from flask import Flask

from ..app_state import current_app_state
from ..background_thread import BackgroundThread
from ..messaging.event_publisher import request_delivery
from ..per_app import AppLocal
from ..process import drain
from .deliver import deliver_next

log = logging.getLogger(__name__)


_delivering: t.Final = weakref.WeakSet[Celery]()
"""Celery apps whose worker this is, or has forked this process, if it serves their queue."""


def deliver_here(celery: Celery) -> None:
    """Let this process, and those that it forks, deliver what they have written themselves."""
    _delivering.add(celery)


def deliver_soon() -> None:
    """Let this process or another one deliver what was just committed.

    A worker delivers it itself, since its places may be taken for hours.
    """
    if current_app_state().celery in _delivering:
        wake()
    else:
        request_delivery()


def wake() -> None:
    """Let this process deliver what is due."""
    _dispatchers.current().wake()


class _Slot:
    """One thread, which ends when nothing is due."""

    def __init__(self, app: Flask, dispatcher: _Dispatcher, number: int) -> None:
        work = functools.partial(dispatcher.work, self)
        self.thread = BackgroundThread(app, work, name=f"crewexec-notifications-{number}")
        self._is_running = False
        self._is_called = False

    def wake(self, *, again: bool = False) -> bool:
        """Start the thread; False if it runs already.

        :param again: let a thread that runs look for deliveries once more before it ends.
        """
        with self.thread.changed:
            if self._is_running:
                self._is_called = self._is_called or again
                return False
            self.thread.ensure_running()
            self._is_running = True
            return True

    def may_end(self) -> bool:
        """Return whether the thread is to end now."""
        with self.thread.changed:
            if self._is_called:
                self._is_called = False
                return False
            self._is_running = False
            self.thread.mark_ending()
            return True


class _Dispatcher:
    """The threads of one application in this process."""

    def __init__(self, app: Flask) -> None:
        count = app.extensions["crewexec"].settings.notification_threads
        self._slots = [_Slot(app, self, number) for number in range(1, count + 1)]

    def wake(self) -> None:
        """Start one more thread; if all run, one of them looks again before it ends."""
        try:
            if not any(slot.wake() for slot in self._slots):
                self._slots[0].wake(again=True)
        except RuntimeError as error:  # there are too many threads, or the process exits
            log.warning("Notifications wait for the reconciler: %s.", error)

    def work(self, slot: _Slot) -> None:
        while True:
            self._deliver_all()
            if slot.may_end():
                return

    def _deliver_all(self) -> None:
        try:
            # Each one that is claimed may be slow, so another thread looks for the next.
            while not drain.has_begun() and deliver_next(current_app_state(), self.wake):
                pass
        except Exception:  # whatever it is, the thread must not end without a word
            log.exception("Could not deliver notifications; the reconciler starts another round.")


_dispatchers: t.Final = AppLocal(_Dispatcher)
