"""Treat ``celery control revoke`` as a cancellation.

Otherwise the reconciler would hand the execution to another worker.
"""

from __future__ import annotations

import logging
import typing as t

from celery.worker.request import Request

from ..services.async_execution_service import AsyncExecutionService

log = logging.getLogger(__name__)


def cancel_revoked(celery: t.Any, task_id: str) -> None:
    """Cancel the execution of a Celery task, unless another attempt has begun by now."""
    execution_id, _, attempt = task_id.partition(".")
    with celery.flask_app.app_context():
        AsyncExecutionService().cancel_task(
            execution_id, reason="Revoked by an operator.", attempt=int(attempt or 1)
        )


class ExecutionRequest(Request):  # type: ignore[misc]  # Celery ships no types
    """The request of an execution in the main process of a worker."""

    def terminate(self, pool: t.Any, signal: object = None) -> None:
        """Cancel the execution, then terminate the process that runs it."""
        try:
            cancel_revoked(self.app, self.id)
        except Exception:  # the signal `task_revoked` tries again
            log.warning("Could not cancel the execution of task %s.", self.id, exc_info=True)
        super().terminate(pool, signal)
