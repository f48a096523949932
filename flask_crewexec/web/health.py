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

OK: t.Final = "ok"


def readiness(binding: Binding) -> dict[str, str]:
    """Return what works and what does not, by name; each look is bounded in time."""
    checks = {"database": _database(binding), "broker": _broker(binding)}
    consumed = _consumed_queues(binding) if checks["database"] == OK else set()
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


def _database(binding: Binding) -> str:
    try:
        with binding.session() as session:
            session.execute(sa.select(1))
    except sa.exc.SQLAlchemyError:
        return "unreachable"
    return OK


def _broker(binding: Binding) -> str:
    try:
        ping(binding)
    except BrokerUnavailable:
        return "unreachable"
    return OK


def _consumed_queues(binding: Binding) -> set[str]:
    return {queue for worker in live_workers(binding) for queue in worker.queues}
