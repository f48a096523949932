"""Greenlets in a web server that patches its processes after they have loaded the application.

``gunicorn --preload --worker-class=gevent`` loads the application before it forks, and each worker
patches itself later. By then psycopg has chosen to wait for the database in C, where a slow answer
stops all greenlets: even health checks, so that gunicorn kills the worker.
"""

from __future__ import annotations

import importlib
import sys


def expect_late_patch() -> None:
    """Let psycopg wait as greenlets do, if gevent patches this process from now on."""
    if "gevent.monkey" not in sys.modules:
        return
    from gevent import events

    if _on_patch not in events.subscribers:
        events.subscribers.append(_on_patch)


def _on_patch(event: object) -> None:
    """Let psycopg choose again how it waits; it looks for gevent when it is imported."""
    from gevent.events import GeventDidPatchAllEvent

    waiting = sys.modules.get("psycopg.waiting")
    if isinstance(event, GeventDidPatchAllEvent) and waiting is not None:
        importlib.reload(waiting)
