"""Look after executions: bring them on after faults, and remove them in the end."""

from __future__ import annotations

import logging
import typing as t

from ..app_state import current_app_state
from ..messaging.queues import CLEANUP_TASK
from ..scheduling.reconciler import reconcile
from ..schemas import CleanupEventSchema
from ..storage import counters
from ..storage.retention import purge
from ..storage.retention import retention_cutoff
from .base import ExecutionMessageTask

log = logging.getLogger(__name__)

PURGE_SECONDS: t.Final = 5.0
"""How long one purge may keep a worker from reconciling."""

_schema: t.Final = CleanupEventSchema()


def handle(event: dict[str, t.Any]) -> dict[str, t.Any]:
    """Do one round of the work that *event* names. Running it twice at once does no harm.

    ``{"action": "reconcile"}`` takes over what dead workers left, starts due retries, ends what is
    beyond its deadline, sends lost messages again, and releases held executions whose turn it is.

    ``{"action": "purge", "older_than_seconds"?: float, "keep"?: int}`` removes ended executions;
    ``CREWEXEC_KEEP_FOR`` and ``CREWEXEC_KEEP_COUNT`` count where nothing is given.

    :return: what was done: ``{"taken_over", "timed_out", "retried", "republished", "released"}``
        or ``{"purged"}``, all of them numbers of executions.
    :raises ValidationError: if the event has another form.
    """
    order = _schema.load(event)
    app_state = current_app_state()
    if order["action"] == "reconcile":
        done = dict(reconcile(app_state))
        counters.compact(app_state)
        return done
    until = retention_cutoff(app_state, order["older_than_seconds"], order["keep"])
    purged = purge(app_state, until, PURGE_SECONDS)
    log.info("Removed %s executions.", purged)
    return {"purged": purged}


class CleanupTask(ExecutionMessageTask):
    """Celery's wrapper around :func:`handle`."""

    name = CLEANUP_TASK

    def run(self, event: dict[str, t.Any]) -> dict[str, t.Any]:
        return handle(event)
