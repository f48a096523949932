"""Aging: what has waited long becomes more urgent, so nobody waits forever for more urgent work.

A message cannot be moved to the list of another priority. So an execution that becomes more urgent
is put on hold, and the fair scheduler sends it another message when it is its user's turn there.
Its former message keeps its place: whichever comes first claims the attempt, and the other one
finds nothing to do. A crash leaves the execution on hold, and the next round releases it.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningUpdate

from ..app_state import AppState
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..statuses import PRIORITIES
from ..storage import database_clock
from .fair_scheduler import release_users


def raise_urgency(app_state: AppState) -> int:
    """Raise the urgency of what has waited for ``CREWEXEC_PRIORITY_AGING`` per level.

    :return: how many executions are more urgent now, at most ``CREWEXEC_RECONCILE_BATCH_SIZE``.
    """
    seconds = app_state.settings.priority_aging
    if seconds is None:
        return 0
    with app_state.database.write_transaction() as session:
        statement = _raise_statement(app_state, seconds)
        owner_ids = session.scalars(
            statement, execution_options={"synchronize_session": False}
        ).all()
    release_users(app_state, owner_ids)
    return len(owner_ids)


def _raise_statement(app_state: AppState, seconds: float) -> ReturningUpdate[t.Any]:
    """Return the UPDATE; those with a message come first: each user has only a few of them."""
    execution = app_state.models.execution
    most_urgent = min(PRIORITIES)
    due = execution.priority - database_clock.periods_since(execution.queued_at, seconds)
    is_queued = has_status(execution, ExecutionStatus.QUEUED)
    first = (
        sa.select(execution.id)
        .where(is_queued, execution.on_hold.in_((False, True)))
        .where(execution.urgency > most_urgent, execution.urgency > due)
        .order_by(execution.on_hold, execution.queued_at)
        .limit(app_state.settings.reconcile_batch_size)
        .with_for_update(skip_locked=True)
    )
    urgency = sa.case((due > most_urgent, due), else_=most_urgent)
    return (
        sa.update(execution)
        .where(execution.id.in_(first), is_queued)
        .values(urgency=urgency, on_hold=True, published_at=None)
        .returning(execution.owner_id)
    )
