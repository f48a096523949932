"""Whether this process lives, and whether the service can do its work."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Sequence

import sqlalchemy as sa

from .. import clock
from ..binding import Binding
from ..celery_app import CLEANUP_QUEUE
from ..celery_app import EXECUTION_QUEUE
from ..celery_app import ping
from ..errors import BrokerUnavailable
from ..models import WorkerMixin
from .bounded import Bounded
from .bounded import TookTooLong
from .database import missing_table

OK: t.Final = "ok"

_ask_database: t.Final = Bounded()
_ask_broker: t.Final = Bounded()


def readiness(binding: Binding) -> dict[str, str]:
    """Return what works and what does not, by name.

    The database and the broker have ``CREWEXEC_HEALTH_TIMEOUT`` seconds each.
    """
    database, consumed = _database(binding)
    checks = {"database": database, "broker": _broker(binding)}
    for queue in (EXECUTION_QUEUE, CLEANUP_QUEUE):
        checks[f"workers:{queue}"] = OK if queue in consumed else "no worker"
    return checks


def live_workers(binding: Binding) -> Sequence[WorkerMixin]:
    """Return the workers that were heard of lately."""
    worker = binding.models.worker
    oldest = clock.now() - dt.timedelta(seconds=binding.settings.stale_worker_after)
    with binding.session() as session:
        query = sa.select(worker).where(worker.seen_at >= oldest).order_by(worker.name)
        return session.scalars(query).all()


def _database(binding: Binding) -> tuple[str, set[str]]:
    """Return how the database is, and the queues that it knows a worker for."""
    seconds = binding.settings.health_timeout
    try:
        workers = _ask_database(lambda: live_workers(binding), seconds)
    except TookTooLong:
        return "no answer", set()
    except sa.exc.SQLAlchemyError as error:
        return ("no tables" if missing_table(error) else "unreachable"), set()
    return OK, {queue for worker in workers for queue in worker.queues}


def _broker(binding: Binding) -> str:
    try:
        _ask_broker(lambda: ping(binding), binding.settings.health_timeout)
    except TookTooLong:
        return "no answer"
    except BrokerUnavailable:
        return "unreachable"
    return OK
