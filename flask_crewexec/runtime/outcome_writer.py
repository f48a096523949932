"""Stores how an attempt ended, together with everything that its run has not written yet."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..models import Models
from ..scheduling.attempt_outcomes import AttemptOutcome
from ..scheduling.attempt_outcomes import OutcomeKind
from ..scheduling.attempt_outcomes import without_next_attempt
from ..scheduling.delivery import republish
from ..statuses import ExecutionStatus
from ..storage import event_log
from ..storage import input_ends
from ..storage import leases
from ..storage.call_retention import CallPolicy
from ..storage.fencing import Lease
from ..storage.new_event import NewEvent
from .cancellation import check_cancelled
from .error_mapping import failure_of_write
from .outcome import ended_by_write
from .recorder import RunRecorder
from .stop_reasons import BudgetSpent
from .stop_reasons import RunCancelled

Error = dict[str, t.Any]

log = logging.getLogger(__name__)


class Interruption(t.NamedTuple):
    """What an error has interrupted."""

    step: str | None
    """Name of the step."""
    call: int | None
    """Number of the call that has failed."""


class OutcomeWriter:
    """Stores the outcome of one attempt.

    :param interruption: returns what an error has interrupted.
    :param begin_anew: lets the steps be restarted that would fail again if somebody retried the
        execution.
    """

    def __init__(
        self,
        app_state: AppState,
        lease: Lease,
        owner_id: str,
        recorder: RunRecorder,
        interruption: Callable[[BaseException | None], Interruption],
        begin_anew: Callable[[], None],
    ) -> None:
        self._app_state = app_state
        self._lease = lease
        self._owner_id = owner_id
        self._recorder = recorder
        self._interruption = interruption
        self._begin_anew = begin_anew

    def complete(self, result: dict[str, t.Any]) -> OutcomeKind:
        """Store the result of a completed attempt."""
        end_calls = self._end_calls()
        self._recorder.finish(ExecutionStatus.COMPLETED, end_calls, result=result, error=None)
        return OutcomeKind.COMPLETED

    def store(self, outcome: AttemptOutcome, cause: BaseException) -> OutcomeKind:
        """Store an *outcome* other than a completed one; return what was stored in the end.

        If the database refuses a value, or lacks a column for it, everything but the usage is left
        out.
        """
        try:
            return self._store(outcome, cause)
        except Exception as error:
            failure = failure_of_write(error)
            if failure is None:
                raise
            cause = error
        self._recorder.discard_unwritten()
        return self._store(ended_by_write(outcome, failure), cause)

    def _store(self, outcome: AttemptOutcome, cause: BaseException) -> OutcomeKind:
        error = self._describe(outcome, cause)
        match outcome.kind:
            case OutcomeKind.CANCELLED:
                return self._finish(outcome.kind)
            case OutcomeKind.RETRYING:
                stored = self._schedule_retry(outcome, error)
            case OutcomeKind.WAITING:
                stored = self._wait_for_input()
            case OutcomeKind.RELEASED:
                stored = self._requeue(leases.release, NewEvent("released", {}))
            case OutcomeKind.WORKER_LOST:
                event = NewEvent("worker_lost", {"reason": type(cause).__name__})
                stored = self._requeue(leases.release_after_loss, event)
            case _:
                return self._finish_or_cancel(outcome.kind, error)
        if stored:
            return outcome.kind
        end = without_next_attempt(outcome)
        return self._finish_or_cancel(end.kind, error or self._describe(end))

    def _describe(
        self, outcome: AttemptOutcome, cause: BaseException | None = None
    ) -> Error | None:
        """Return the error to be stored, and log it with its *cause*."""
        if outcome.failure is None:
            return None
        step, call = self._interruption(cause)
        id = self._lease.execution_id
        return outcome.failure.as_error(id, step, call=call, cause=cause)

    def _finish_or_cancel(self, kind: OutcomeKind, error: Error | None) -> OutcomeKind:
        """End the execution; as cancelled, if its cancellation was requested before."""
        if isinstance(check_cancelled(self._app_state, self._lease), RunCancelled):
            return self._finish(OutcomeKind.CANCELLED)
        return self._finish(kind, error=error)

    def _finish(self, kind: OutcomeKind, **values: Error | None) -> OutcomeKind:
        error = values.get("error")
        if error is not None and error["code"] == BudgetSpent.code:
            self._recorder.add_event("budget_exhausted", reason=error["message"])
        self._begin_anew()
        self._recorder.finish(ExecutionStatus(kind), self._end_calls(), **values)
        return kind

    def _end_calls(self) -> Callable[[Session], None] | None:
        """Return what removes the calls, or their contents, that are not kept."""
        if not self._app_state.settings.records_calls:
            return None
        try:
            policy = CallPolicy.of(self._app_state, self._owner_id)
        except Exception:
            log.exception("What is kept of calls cannot be decided; nothing is.")
            policy = CallPolicy("off", None)
        if policy.changes_nothing:
            return None
        models, id = self._app_state.models, self._lease.execution_id
        return lambda session: policy.apply(session, models, id)

    def _schedule_retry(self, outcome: AttemptOutcome, error: Error | None) -> bool:
        """Let the next attempt start after a delay; False if the execution is to be cancelled."""
        assert outcome.failure is not None
        assert error is not None
        models, lease, seconds = self._app_state.models, self._lease, outcome.retry_in
        return self._recorder.flush_with_transition(
            lambda session: leases.schedule_retry(
                session, models, lease, error=error, seconds=seconds
            ),
            NewEvent("retrying", {"code": outcome.failure.code, "seconds": seconds}),
        )

    def _wait_for_input(self) -> bool:
        """Let the execution wait for people; False if it is to be cancelled.

        If they have answered everything in the meantime, or it fails of an answer, it is queued at
        once.
        """
        app_state, lease = self._app_state, self._lease

        def transition(session: Session) -> bool:
            if not leases.wait_for_input(session, app_state.models, lease):
                return False
            waiting = NewEvent("waiting_input", {})
            event_log.append(session, app_state, lease.execution_id, [waiting])
            since = self._recorder.started_at
            input_ends.queue_if_answered(session, app_state, lease.execution_id, since)
            return True

        return self._recorder.flush_with_transition(transition)

    def _requeue(
        self, transition: Callable[[Session, Models, Lease], bool], event: NewEvent
    ) -> bool:
        """Queue the next attempt for another worker; False if the execution is to be cancelled."""
        models, lease = self._app_state.models, self._lease
        if not self._recorder.flush_with_transition(
            lambda session: transition(session, models, lease), event
        ):
            return False
        republish(self._app_state, lease.execution_id)
        return True
