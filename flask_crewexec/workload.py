"""How much there is to do, of all users together."""

from __future__ import annotations

import sqlalchemy as sa

from .binding import Binding
from .states import has_status
from .states import PRIORITIES
from .states import State
from .states import UNFINISHED


def count_unfinished(binding: Binding) -> dict[str, int]:
    """Return how many executions are in each state that is not final, where there are any."""
    execution = binding.models.execution
    query = sa.select(execution.status, sa.func.count()).group_by(execution.status)
    query = query.where(has_status(execution, *UNFINISHED))
    with binding.session() as session:
        return {state: count for state, count in session.execute(query)}


def count_held(binding: Binding) -> dict[int, int]:
    """Return how many executions wait for their user's turn, by priority from 1 to 10."""
    execution = binding.models.execution
    query = sa.select(execution.priority, sa.func.count()).group_by(execution.priority)
    held = sa.and_(has_status(execution, State.QUEUED), execution.held.is_(True))
    with binding.session() as session:
        found = {priority: count for priority, count in session.execute(query.where(held))}
    return {priority: found.get(priority, 0) for priority in PRIORITIES}
