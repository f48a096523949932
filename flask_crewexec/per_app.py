"""Objects that exist once per application and process; a forked process starts without any."""

from __future__ import annotations

import os
import threading
import typing as t
import weakref
from collections.abc import Callable

from flask import current_app
from flask import Flask

T = t.TypeVar("T")


class AppLocal(t.Generic[T]):
    """Objects that live as long as their application.

    :param make: creates the object of an application when it is first needed.
    """

    def __init__(self, make: Callable[[Flask], T]) -> None:
        self._make = make
        self._reset_after_fork()
        # Threads do not exist in a forked process, and locks may be held there for ever.
        os.register_at_fork(after_in_child=self._reset_after_fork)

    def _reset_after_fork(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakKeyDictionary[Flask, T] = weakref.WeakKeyDictionary()

    def current(self) -> T:
        """Return the object of the current application."""
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        with self._lock:
            known = self._known.get(app)
            return self._known.setdefault(app, self._make(app)) if known is None else known
