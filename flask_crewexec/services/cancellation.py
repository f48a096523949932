"""Cancel executions."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import Models
from ..scheduling.fair_scheduler import release_next
from ..schemas import CancelSchema
from ..schemas import load
from ..statuses import ExecutionStatus
from ..storage import event_log
from ..storage import transitions
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import Id
from ..storage.new_event import NewEvent
from ..storage.ownership import Requester
from ..storage.transitions import Cancellation


def cancel(
    app_state: AppState,
    execution_id: Id,
    requester: Requester,
    cancellation: Cancellation,
    attempt: int | None,
) -> bool:
    """Cancel an execution, or ask its worker to.

    :param attempt: cancel only this attempt; None for any.
    :return: whether the execution is cancelled or will be.
    :raises NotFound: if there is none, or not for *requester*.
    :raises InvalidRequest: if the cancellation cannot be stored.
    """
    load(CancelSchema(), cancellation._asdict())
    models = app_state.models
    with app_state.database.write_transaction() as session:
        # Locked, so that no worker can change its status between the next statements.
        execution = find_execution(session, models, execution_id, requester, for_update=True)
        if attempt not in (None, execution.attempt):
            return False
        event = _cancel_or_request(session, models, execution.id, cancellation)
        if event is None:
            session.expire_all()  # SQLite has locked nothing
            return _is_cancelled(find_execution(session, models, execution_id, requester))
        event_log.append(session, app_state, execution.id, [event])
    release_next(app_state, execution.owner_id)
    return True


def _cancel_or_request(
    session: Session, models: Models, execution_id: uuid.UUID, cancellation: Cancellation
) -> NewEvent | None:
    """Return the event of the transition that was made; None if there is nothing to cancel."""
    if transitions.cancel_pending(session, models, execution_id, cancellation):
        return NewEvent(ExecutionStatus.CANCELLED, cancellation._asdict())
    if transitions.request_cancellation(session, models, execution_id, cancellation):
        return NewEvent("cancel_requested", cancellation._asdict())
    return None


def _is_cancelled(execution: ExecutionMixin) -> bool:
    """Return whether an earlier request has cancelled the execution, or will."""
    statuses = (ExecutionStatus.RUNNING, ExecutionStatus.CANCELLED)
    return execution.cancel_requested_at is not None and execution.status in statuses
