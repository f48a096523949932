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

_KEY: t.Final = "crewexec_objects"
_apps: t.Final = weakref.WeakSet[Flask]()
"""The applications that have objects."""


class AppLocal(t.Generic[T]):
    """Objects that live as long as their application, which they may refer to.

    Each application keeps its own: a dictionary of this module would keep them, and with them all
    applications that a test suite makes.

    :param make: creates the object of an application when it is first needed.
    """

    def __init__(self, make: Callable[[Flask], T]) -> None:
        self._make = make
        self._renew_lock()
        # Threads do not exist in a forked process, and locks may be held there for ever.
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def current(self) -> T:
        """Return the object of the current application."""
        try:
            return t.cast(T, current_app.extensions[_KEY][self])
        except KeyError:
            pass  # the object is made outside this block, so that its errors stand by themselves
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        with self._lock:
            return self._known_or_made(app)

    def _known_or_made(self, app: Flask) -> T:
        known = app.extensions.setdefault(_KEY, {})
        _apps.add(app)
        if self not in known:
            known[self] = self._make(app)
        return t.cast(T, known[self])


def _forget_all() -> None:
    for app in _apps:
        app.extensions[_KEY] = {}


os.register_at_fork(after_in_child=_forget_all)
