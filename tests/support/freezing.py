"""Freezing a worker at a moment when others can go on."""

from __future__ import annotations

import contextlib
import sqlite3

from flask_crewexec.app_state import current_app_state
from support.servers.celery_nodes import WorkerProcess
from support.servers.processes import wait_until


def freeze(worker: WorkerProcess) -> None:
    """Freeze a worker that holds no lock of SQLite's file.

    Its lease is renewed every now and then. A process that is frozen while it writes keeps
    everybody from writing, and only an operator could help.
    """

    def is_frozen() -> bool:
        worker.suspend()
        if _can_write():
            return True
        worker.resume()
        return False

    wait_until(is_frozen, what="a moment without a write")


def _can_write() -> bool:
    url = current_app_state().database.engine.url
    if not url.drivername.startswith("sqlite"):
        return True
    path = str(url.database)
    with contextlib.closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True
