"""The rules of how an attempt ends, and what follows for its execution.

They are pure functions: the runtime applies them to attempts that it has run, the reconciler to
those that were left behind by a lost worker.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t
from collections.abc import Callable

from ..config.settings import Settings
from ..statuses import ExecutionStatus
from ..storage.failures import DEADLINE_EXCEEDED
from ..storage.failures import FailureReason
from ..storage.failures import WORKER_LOST


class OutcomeKind(enum.StrEnum):
    """The ways in which an attempt can end."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    RETRYING = "retrying"
    """It failed for a transient reason; the next attempt starts after a delay."""
    WAITING = "waiting_input"
    """A step cannot go on without a person; the next attempt continues after the answer."""
    RELEASED = "released"
    """Its worker shuts down; another one resumes the execution."""
    WORKER_LOST = "worker-lost"
    """Its worker has died; another one resumes the execution."""
    LEASE_LOST = "lease-lost"
    """Another process has taken the execution over, so nothing may be stored."""


_STATUSES: t.Final = {
    OutcomeKind.RELEASED: ExecutionStatus.QUEUED,
    OutcomeKind.WORKER_LOST: ExecutionStatus.QUEUED,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttemptOutcome:
    """How an attempt ended."""

    kind: OutcomeKind
    failure: FailureReason | None = None
    """Why it failed, if it did."""
    retry_in: float = 0.0
    """Seconds until the next attempt of ``RETRYING``."""

    def map_message(self, function: Callable[[str], str]) -> AttemptOutcome:
        """Return the same outcome with its message passed through *function*."""
        if self.failure is None:
            return self
        failure = self.failure._replace(message=function(self.failure.message))
        return dataclasses.replace(self, failure=failure)

    @property
    def status(self) -> ExecutionStatus:
        """The status of the execution afterwards."""
        return _STATUSES.get(self.kind) or ExecutionStatus(self.kind)


class AttemptCounters(t.NamedTuple):
    """How many earlier attempts of an execution were repeated, and why."""

    retries: int
    lost_attempts: int


def after_failure(
    failure: FailureReason,
    kind: OutcomeKind,
    counters: AttemptCounters,
    settings: Settings,
) -> AttemptOutcome:
    """Return what follows from a *failure*: a retry, or else the end of this *kind*."""
    if failure.transient and counters.retries < settings.max_retries:
        retry_in = max(settings.retry_delay, failure.retry_after)
        return AttemptOutcome(kind=OutcomeKind.RETRYING, failure=failure, retry_in=retry_in)
    return AttemptOutcome(kind=kind, failure=failure)


def after_worker_loss(
    counters: AttemptCounters,
    settings: Settings,
    *,
    cancel_requested: bool = False,
    overdue: bool = False,
) -> AttemptOutcome:
    """Return what follows from the loss of a worker.

    The number of losses is limited, so that a crew that kills each of its workers comes to an end.
    """
    if cancel_requested:
        return AttemptOutcome(kind=OutcomeKind.CANCELLED)
    if overdue:
        return AttemptOutcome(kind=OutcomeKind.TIMED_OUT, failure=DEADLINE_EXCEEDED)
    if counters.lost_attempts < settings.max_worker_losses:
        return AttemptOutcome(kind=OutcomeKind.WORKER_LOST)
    return AttemptOutcome(kind=OutcomeKind.FAILED, failure=WORKER_LOST)


def without_next_attempt(outcome: AttemptOutcome) -> AttemptOutcome:
    """Return the end of an execution whose next attempt cannot be stored."""
    return AttemptOutcome(kind=OutcomeKind.FAILED, failure=outcome.failure or WORKER_LOST)
