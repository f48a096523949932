"""Whether this process lives, and whether the service can do its work."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Sequence

import sqlalchemy as sa

from .. import clock
from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..messaging.celery_app import CLEANUP_QUEUE
from ..messaging.celery_app import EXECUTION_QUEUE
from ..messaging.celery_app import ping
from ..models import WorkerMixin
from ..storage.database_errors import missing_table
from .timeouts import CallTimedOut
from .timeouts import TimeBoundCall

OK: t.Final = "ok"

_ask_database: t.Final = TimeBoundCall()
_ask_broker: t.Final = TimeBoundCall()


def readiness(binding: AppState) -> dict[str, str]:
    """Return what works and what does not, by name.

    The database and the broker have ``CREWEXEC_HEALTH_TIMEOUT`` seconds each.
    """
    database, consumed = _database(binding)
    checks = {"database": database, "broker": _broker(binding)}
    for queue in (EXECUTION_QUEUE, CLEANUP_QUEUE):
        checks[f"workers:{queue}"] = OK if queue in consumed else "no worker"
    return checks


def live_workers(binding: AppState) -> Sequence[WorkerMixin]:
    """Return the workers that were heard of lately."""
    worker = binding.models.worker
    oldest = clock.now() - dt.timedelta(seconds=binding.settings.stale_worker_after)
    with binding.session() as session:
        query = sa.select(worker).where(worker.seen_at >= oldest).order_by(worker.name)
        return session.scalars(query).all()


def _database(binding: AppState) -> tuple[str, set[str]]:
    """Return how the database is, and the queues that it knows a worker for."""
    seconds = binding.settings.health_timeout
    try:
        workers = _ask_database(lambda: live_workers(binding), seconds)
    except CallTimedOut:
        return "no answer", set()
    except sa.exc.SQLAlchemyError as error:
        return ("no tables" if missing_table(error) else "unreachable"), set()
    return OK, {queue for worker in workers for queue in worker.queues}


def _broker(binding: AppState) -> str:
    try:
        _ask_broker(lambda: ping(binding), binding.settings.health_timeout)
    except CallTimedOut:
        return "no answer"
    except BrokerUnavailable:
        return "unreachable"
    return OK
