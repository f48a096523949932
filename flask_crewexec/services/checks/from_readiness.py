"""Checks that the health check of web servers makes, too."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from ...app_state import AppState
from ...storage.queue_pause import read_pause
from ..readiness import Check as ReadinessCheck
from ..readiness import check_database
from ..readiness import check_workers
from ..readiness import check_writes
from ..readiness import OK
from ..readiness import PAUSED
from .check import Check
from .check import error
from .check import ok
from .check import Result
from .check import skipped


def check_tables(app_state: AppState) -> Iterator[Result]:
    """Check that the database accepts writes, and has all tables and columns."""
    yield _result(check_database(app_state), "It accepts writes, and has all tables and columns.")


def check_broker(app_state: AppState) -> Iterator[Result]:
    """Check that the broker accepts a message."""
    yield _result(check_writes(app_state), "It accepts messages.")


def check_consumers(app_state: AppState) -> Iterator[Result]:
    """Check that each queue has a live worker."""
    checks = check_workers(app_state)
    if not checks:
        yield skipped("The database does not tell which workers are alive.")
    for queue, check in checks.items():
        yield _result(check, f"A live worker consumes the queue '{queue}'.")


def check_pause(app_state: AppState) -> Iterator[Result]:
    """Check that the queue is not paused."""
    pause = read_pause(app_state)
    yield _result(OK if pause is None else PAUSED, "Executions may start: the queue is not paused.")


def _result(check: ReadinessCheck, passed: str) -> Result:
    return ok(passed) if check.passed else error(check.detail, check.remedy)


TABLES: t.Final = Check("database", check_tables, needs=("database-server",))
BROKER: t.Final = Check("broker", check_broker)
PAUSE: t.Final = Check("pause", check_pause, needs=("database-server",))
CONSUMERS: t.Final = Check("workers", check_consumers, needs=("database-server",))
