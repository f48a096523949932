"""Maintenance of executions: recovery after faults, and removal of old ones."""

from __future__ import annotations

import logging
import typing as t

from ..app_state import current_app_state
from ..messaging.event_publisher import request_delivery
from ..messaging.queues import CLEANUP_TASK
from ..scheduling.reconciler import reconcile
from ..schemas import CleanupEventSchema
from ..storage import counters
from ..storage import deliveries
from ..storage.call_purge import purge_calls
from ..storage.installation import record_reconcile_round
from ..storage.retention import purge
from ..storage.retention import retention_cutoff
from .base import ExecutionMessageTask

log = logging.getLogger(__name__)

PURGE_SECONDS: t.Final = 5.0
"""The longest time that one purge may block a worker."""

_schema: t.Final = CleanupEventSchema()


def handle(event: dict[str, t.Any]) -> dict[str, t.Any]:
    """Do one round of the work that *event* names. Concurrent rounds are safe.

    ``{"action": "reconcile"}`` recovers executions of lost workers, queues due retries, ends
    overdue executions, publishes lost messages again, and releases held executions. It also lets
    a worker deliver notifications that are due.

    ``{"action": "purge", "older_than_seconds"?: float, "keep"?: int}`` removes ended executions;
    the defaults are ``CREWEXEC_KEEP_FOR`` and ``CREWEXEC_KEEP_COUNT``.

    :return: numbers of executions: ``{"taken_over", "timed_out", "retried", "republished",
        "raised", "released"}`` or ``{"purged"}``.
    :raises ValidationError: if the event is invalid.
    """
    loaded = _schema.load(event)
    app_state = current_app_state()
    if loaded["action"] == "reconcile":
        counts = dict(reconcile(app_state))
        counters.compact(app_state)
        if deliveries.has_due(app_state):
            request_delivery()
        record_reconcile_round(app_state)
        return counts
    until = retention_cutoff(app_state, loaded["older_than_seconds"], loaded["keep"])
    purged = purge(app_state, until, PURGE_SECONDS)
    calls = purge_calls(app_state, PURGE_SECONDS)
    log.info("Removed %s executions, and %s calls of others.", purged, calls)
    return {"purged": purged}


class CleanupTask(ExecutionMessageTask):
    """Celery's wrapper around :func:`handle`."""

    name = CLEANUP_TASK

    def run(self, event: dict[str, t.Any]) -> dict[str, t.Any]:
        return handle(event)
