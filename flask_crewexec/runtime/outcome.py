"""How an attempt ended: an exception, or the reason of a stop -> its outcome."""

from __future__ import annotations

from ..config.settings import Settings
from ..errors import LeaseLost
from ..process.termination import ends_process
from ..scheduling.attempt_outcomes import after_failure
from ..scheduling.attempt_outcomes import after_worker_loss
from ..scheduling.attempt_outcomes import AttemptCounters
from ..scheduling.attempt_outcomes import AttemptOutcome
from ..scheduling.attempt_outcomes import OutcomeKind
from ..storage.failures import FailureReason
from .error_mapping import to_failure
from .stop_reasons import DivergedStop
from .stop_reasons import DrainStop
from .stop_reasons import LeaseLostStop
from .stop_reasons import StopRun
from .stop_reasons import WaitForPersonStop


def outcome_of_error(
    error: BaseException, counters: AttemptCounters, settings: Settings
) -> AttemptOutcome:
    """Return the outcome of an attempt that an *error*, or a reason to stop, has ended."""
    if isinstance(error, LeaseLost | LeaseLostStop):
        return AttemptOutcome(kind=OutcomeKind.LEASE_LOST)
    if isinstance(error, DrainStop | DivergedStop):
        return AttemptOutcome(kind=OutcomeKind.RELEASED)
    if isinstance(error, WaitForPersonStop):
        return AttemptOutcome(kind=OutcomeKind.WAITING)
    if ends_process(error):
        return after_worker_loss(counters, settings)
    kind = _terminal_kind(error)
    if kind is OutcomeKind.CANCELLED:
        return AttemptOutcome(kind=kind)
    return after_failure(to_failure(error), kind or OutcomeKind.FAILED, counters, settings)


def outcome_of_hung_run(reason: StopRun) -> AttemptOutcome | None:
    """Return the outcome of a run that does not stop; None if another process decides it."""
    kind = _terminal_kind(reason)
    if kind is None:
        return None
    failure = None if kind is OutcomeKind.CANCELLED else to_failure(reason)
    return AttemptOutcome(kind=kind, failure=failure)


def ended_by_write(outcome: AttemptOutcome, failure: FailureReason) -> AttemptOutcome:
    """Return the end of an attempt of which the database cannot store everything.

    Another attempt would end in the same way, and would have to be paid.
    """
    if outcome.kind in (OutcomeKind.CANCELLED, OutcomeKind.TIMED_OUT):
        return outcome
    return AttemptOutcome(kind=OutcomeKind.FAILED, failure=failure)


def _terminal_kind(error: BaseException) -> OutcomeKind | None:
    """Return the end that follows from a reason to stop alone, if one does."""
    status = error.status if isinstance(error, StopRun) else None
    return None if status is None else OutcomeKind(status)
