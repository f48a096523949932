"""Retry executions that have ended."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import WrongState
from ..models import ExecutionMixin
from ..observability import tracing
from ..scheduling.admission import Admission
from ..scheduling.admission import admit
from ..scheduling.admission import read_admission_state
from ..scheduling.delivery import publish_or_revert
from ..scheduling.delivery import require_broker
from ..scheduling.fair_scheduler import release_next
from ..scheduling.run_limits import Limits
from ..scheduling.run_limits import validate_limits
from ..scheduling.submission import request_context
from ..scheduling.submission_checks import most_urgent_priority
from ..scheduling.submission_checks import recheck
from ..statuses import RETRYABLE
from ..storage import event_log
from ..storage import transitions
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import Id
from ..storage.new_event import NewEvent
from ..storage.ownership import Requester


@tracing.trace_submission()
def retry(app_state: AppState, execution_id: Id, requester: Requester, limits: Limits) -> None:
    """Queue another attempt of an ended execution.

    Raises what :meth:`~.AsyncExecutionService.retry` says.
    """
    changed = validate_limits(app_state, limits)
    with app_state.database.read_session() as session:
        former = find_execution(session, app_state.models, execution_id, requester)
        _check_retryable(former)
        own = requester is not None and requester.user_id == former.owner_id
        recheck(session, app_state, former, requester.roles if requester and own else None)
    # The owner may have been allowed more when it was submitted.
    priority = max(former.priority, most_urgent_priority(app_state, former.owner_id))
    with app_state.database.read_session() as session:
        state = read_admission_state(session, app_state, former.owner_id, priority)
    on_hold = admit(app_state, former.owner_id, state) is Admission.HOLD
    if on_hold:
        require_broker(app_state)
    with app_state.database.write_transaction() as session:
        _requeue(session, app_state, former, changed, priority=priority, on_hold=on_hold)
    if on_hold:
        release_next(app_state, former.owner_id)
    else:
        publish_or_revert(app_state, former)


def _check_retryable(former: ExecutionMixin) -> None:
    if former.status not in RETRYABLE:
        raise WrongState(
            f"The execution is '{former.status}'. Only failed, cancelled and timed out executions"
            " can be retried."
        )


def _requeue(
    session: Session,
    app_state: AppState,
    former: ExecutionMixin,
    changed: Limits,
    *,
    priority: int,
    on_hold: bool,
) -> None:
    tracing.set_execution_attribute(former.id)
    values = {**changed, **request_context()}
    if not transitions.requeue(
        session, app_state.models, former, priority=priority, on_hold=on_hold, **values
    ):
        raise WrongState(
            "Another request has just retried or changed this execution. Read its status."
        )
    event = NewEvent("queued", {"attempt": former.attempt + 1})
    event_log.append(session, app_state, former.id, [event])
