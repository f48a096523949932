"""Statistics of the executions of all users that have not ended."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..app_state import AppState
from ..statuses import ACTIVE
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..statuses import InputStatus
from ..statuses import PRIORITIES
from . import database_clock


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


class OpenInputs(t.NamedTuple):
    """Input requests that are open."""

    open: int
    oldest: float
    """For how many seconds the oldest one has been open; 0 if none is."""


def read_open_inputs(app_state: AppState) -> OpenInputs:
    """Return how many input requests are open, and for how long."""
    request = app_state.models.input_request
    oldest = database_clock.seconds_since(sa.func.min(request.created_at))
    query = sa.select(sa.func.count(), oldest).where(has_status(request, InputStatus.OPEN))
    with app_state.database.read_session() as session:
        count, seconds = session.execute(query).one()
    return OpenInputs(count, max(0.0, seconds or 0.0))
