"""Readiness: whether executions can be queued and will run."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..messaging.broker import ping
from ..messaging.queues import CLEANUP_QUEUE
from ..messaging.queues import EXECUTION_QUEUE
from ..storage.database_errors import missing_table
from ..storage.workers import live_workers
from .timeouts import CallTimedOut
from .timeouts import TimeBoundCall

OK: t.Final = "ok"

_ask_database: t.Final = TimeBoundCall()
_ask_broker: t.Final = TimeBoundCall()


def readiness(app_state: AppState) -> dict[str, str]:
    """Return the result of each check by its name; ``ok`` if it passed.

    The database and the broker have ``CREWEXEC_HEALTH_TIMEOUT`` seconds each.
    """
    database, consumed = _database(app_state)
    checks = {"database": database, "broker": _broker(app_state)}
    for queue in (EXECUTION_QUEUE, CLEANUP_QUEUE):
        checks[f"workers:{queue}"] = OK if queue in consumed else "no worker"
    return checks


def _database(app_state: AppState) -> tuple[str, set[str]]:
    """Return the result for the database, and the queues that have a live worker."""
    seconds = app_state.settings.health_timeout
    try:
        workers = _ask_database(lambda: live_workers(app_state), seconds)
    except CallTimedOut:
        return "no answer", set()
    except sa.exc.SQLAlchemyError as error:
        return ("no tables" if missing_table(error) else "unreachable"), set()
    return OK, {queue for worker in workers for queue in worker.queues}


def _broker(app_state: AppState) -> str:
    try:
        _ask_broker(lambda: ping(app_state), app_state.settings.health_timeout)
    except CallTimedOut:
        return "no answer"
    except BrokerUnavailable:
        return "unreachable"
    return OK
