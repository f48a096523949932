"""``celery control revoke``, taken for what it means: else another worker would go on."""

from __future__ import annotations

import logging
import typing as t

from celery.worker.request import Request

from ..services.async_execution_service import AsyncExecutionService

log = logging.getLogger(__name__)


def cancel_revoked(celery: t.Any, task_id: str) -> None:
    """Cancel the execution that a message is for, unless it is at another attempt by now."""
    execution_id, _, attempt = task_id.partition(".")
    with celery.flask_app.app_context():
        AsyncExecutionService().cancel_task(
            execution_id, reason="Revoked by an operator.", attempt=int(attempt or 1)
        )


class ExecutionRequest(Request):  # type: ignore[misc]  # Celery ships no types
    """A message as a worker's main process has it."""

    def terminate(self, pool: t.Any, signal: object = None) -> None:
        """End the process that runs it; before that, cancel what it would hand back."""
        try:
            cancel_revoked(self.app, self.id)
        except Exception:  # to be told again when Celery has revoked it
            log.warning("Could not cancel what runs as %s.", self.id, exc_info=True)
        super().terminate(pool, signal)
