"""Why an execution failed, as its owner may see it."""

from __future__ import annotations

import logging
import typing as t
import uuid

log = logging.getLogger(__name__)


class FailureReason(t.NamedTuple):
    """A reason, without anything that only the operator should see."""

    code: str
    message: str
    transient: bool = False
    """Whether the cause can pass by itself."""
    retry_after: float = 0.0
    """Seconds that a provider asked to wait."""

    def as_error(
        self,
        execution_id: uuid.UUID,
        step: str | None = None,
        *,
        cause: BaseException | None = None,
    ) -> dict[str, t.Any]:
        """Return what is stored, and log it with the *cause*; a correlation id joins the two."""
        correlation_id = uuid.uuid4().hex
        log.error(
            "Execution %s: %s (correlation id %s).",
            execution_id,
            self.code,
            correlation_id,
            exc_info=cause,
        )
        common = {"code": self.code, "message": self.message}
        return {**common, "correlation_id": correlation_id, "step": step}


WORKER_LOST: t.Final = FailureReason(
    "worker-lost", "The workers that ran it ended in the middle of it."
)
DEADLINE_EXCEEDED: t.Final = FailureReason(
    "deadline-exceeded", "The execution took longer than it may."
)
