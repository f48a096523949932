"""Statistics of the executions of all users that have not ended."""

from __future__ import annotations

import sqlalchemy as sa

from ..app_state import AppState
from ..statuses import ACTIVE
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..statuses import PRIORITIES


def count_active(app_state: AppState) -> dict[str, int]:
    """Return the number of executions by active status, without statuses that none has."""
    execution = app_state.models.execution
    query = sa.select(execution.status, sa.func.count()).group_by(execution.status)
    query = query.where(has_status(execution, *ACTIVE))
    with app_state.database.read_session() as session:
        return {status: count for status, count in session.execute(query)}


def count_on_hold(app_state: AppState) -> dict[int, int]:
    """Return the number of executions on hold, by urgency from 1 to 10."""
    execution = app_state.models.execution
    query = sa.select(execution.urgency, sa.func.count()).group_by(execution.urgency)
    on_hold = sa.and_(has_status(execution, ExecutionStatus.QUEUED), execution.on_hold.is_(True))
    with app_state.database.read_session() as session:
        found = {urgency: count for urgency, count in session.execute(query.where(on_hold))}
    return {priority: found.get(priority, 0) for priority in PRIORITIES}
