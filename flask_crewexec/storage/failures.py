"""Failure reasons of executions, as their owners see them."""

from __future__ import annotations

import logging
import typing as t
import uuid

log = logging.getLogger(__name__)

_OF_PEOPLE: t.Final = frozenset({"input-expired", "rejected-by-reviewer"})
"""Codes of failures that people bring about, so that a traceback has nothing to tell."""


class FailureReason(t.NamedTuple):
    """Why an execution failed, without anything that only the operator may see."""

    code: str
    message: str
    transient: bool = False
    """Whether a later attempt may succeed."""
    retry_after: float = 0.0
    """Seconds that a provider asked to wait before the next attempt."""

    def as_error(
        self,
        execution_id: uuid.UUID,
        step: str | None = None,
        *,
        call: int | None = None,
        cause: BaseException | None = None,
    ) -> dict[str, t.Any]:
        """Return the error to store, and log it with its *cause*.

        A correlation id in both lets the operator find the log entry of a stored error.
        """
        correlation_id = uuid.uuid4().hex
        is_of_people = self.code in _OF_PEOPLE
        log.log(
            logging.WARNING if is_of_people else logging.ERROR,
            "Execution %s: %s (correlation id %s).",
            execution_id,
            self.code,
            correlation_id,
            exc_info=None if is_of_people else cause,
        )
        common = {"code": self.code, "message": self.message}
        return {**common, "correlation_id": correlation_id, "step": step, "call": call}


def error_columns(error: dict[str, t.Any] | None) -> dict[str, t.Any]:
    """Return the columns of an execution that store an error; None clears them."""
    return {"error": error, "error_code": None if error is None else error["code"]}


WORKER_LOST: t.Final = FailureReason(
    "worker-lost", "The workers that ran the execution ended before it did."
)
DEADLINE_EXCEEDED: t.Final = FailureReason(
    "deadline-exceeded", "The execution exceeded its timeout."
)
