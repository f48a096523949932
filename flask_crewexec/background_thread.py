"""A background thread of an application, started on demand and ended when it is idle."""

from __future__ import annotations

import threading
import typing as t
import weakref
from collections.abc import Callable

from flask import Flask


class BackgroundThread:
    """At most one running thread, which works in the context of *app*.

    The owner keeps its work under :attr:`changed`. It adds work and calls :meth:`ensure_running`
    while it holds that lock; *work* checks for further work and calls :meth:`mark_ending` while
    it holds it. So no work is added to a thread that has just decided to end.

    Keep owners in an :class:`~flask_crewexec.per_app.AppLocal`: a forked process gets new ones,
    with a lock that nobody holds and without a thread.

    :param app: only a weak reference is kept, except while the thread runs.
    :param work: what the thread does; it returns when there is nothing left to do.
    :param name: the name of the thread.
    :param daemon: whether the process exits without waiting for the thread.
    """

    def __init__(
        self, app: Flask, work: Callable[[], None], *, name: str, daemon: bool = True
    ) -> None:
        self.changed: t.Final = threading.Condition()
        self._app = weakref.ref(app)
        self._work = work
        self._name = name
        self._daemon = daemon
        self._thread: threading.Thread | None = None

    def ensure_running(self) -> None:
        """Start the thread, unless it runs. The caller holds :attr:`changed`.

        :raises RuntimeError: if no thread can be started.
        """
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name=self._name, daemon=self._daemon)
            thread.start()
            self._thread = thread

    def mark_ending(self) -> None:
        """Let the next :meth:`ensure_running` start a new thread, since this one returns now.

        The caller holds :attr:`changed`.
        """
        self._thread = None

    def _run(self) -> None:
        if app := self._app():
            with app.app_context():
                self._work()
