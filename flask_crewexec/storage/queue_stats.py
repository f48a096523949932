"""How much there is to do, of all users together."""

from __future__ import annotations

import sqlalchemy as sa

from ..app_state import AppState
from .transitions import ACTIVE
from .transitions import ExecutionStatus
from .transitions import has_status
from .transitions import PRIORITIES


def count_active(binding: AppState) -> dict[str, int]:
    """Return how many executions are in each state that is not final, where there are any."""
    execution = binding.models.execution
    query = sa.select(execution.status, sa.func.count()).group_by(execution.status)
    query = query.where(has_status(execution, *ACTIVE))
    with binding.session() as session:
        return {state: count for state, count in session.execute(query)}


def count_on_hold(binding: AppState) -> dict[int, int]:
    """Return how many executions wait for their user's turn, by priority from 1 to 10."""
    execution = binding.models.execution
    query = sa.select(execution.priority, sa.func.count()).group_by(execution.priority)
    held = sa.and_(has_status(execution, ExecutionStatus.QUEUED), execution.held.is_(True))
    with binding.session() as session:
        found = {priority: count for priority, count in session.execute(query.where(held))}
    return {priority: found.get(priority, 0) for priority in PRIORITIES}
