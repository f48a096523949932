"""Statistics of the executions of all users that have not ended."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..app_state import AppState
from ..models import ExecutionMixin
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


class Waiting(t.NamedTuple):
    """Executions that wait, and for how many seconds the first of each kind has waited."""

    published: int
    """Queued ones with a message."""
    held: int
    """Queued ones on hold."""
    retrying: int
    asked: int
    """Those that wait for people."""
    oldest_published: float | None
    oldest_held: float | None
    oldest_asked: float | None
    next_due: float | None
    """Seconds until the first retry is due."""


def read_waiting(app_state: AppState) -> Waiting:
    """Return how many executions wait, by what they wait for."""
    execution = app_state.models.execution
    queued = has_status(execution, ExecutionStatus.QUEUED)
    retrying = has_status(execution, ExecutionStatus.RETRYING)
    asked = has_status(execution, ExecutionStatus.WAITING_INPUT)
    published = sa.and_(queued, execution.on_hold.is_(False))
    held = sa.and_(queued, execution.on_hold.is_(True))

    def read(condition: sa.ColumnElement[bool], moment: t.Any) -> tuple[int, float | None]:
        since = database_clock.seconds_since(sa.func.min(moment))
        row = session.execute(sa.select(sa.func.count(), since).where(condition)).one()
        return row[0], row[1]

    with app_state.database.read_session() as session:
        sent, oldest_sent = read(published, execution.queued_at)
        on_hold, oldest_held = read(held, execution.queued_at)
        due, overdue = read(retrying, execution.available_at)
        people, oldest_asked = read(asked, execution.waiting_since)
    return Waiting(
        sent,
        on_hold,
        due,
        people,
        _not_negative(oldest_sent),
        _not_negative(oldest_held),
        _not_negative(oldest_asked),
        None if overdue is None else max(0.0, -overdue),
    )


def _not_negative(seconds: float | None) -> float | None:
    return None if seconds is None else max(0.0, seconds)


class HeldOfUser(t.NamedTuple):
    """How many executions of a user are on hold, and how many run."""

    owner_id: str
    held: int
    running: int


def count_held_by_user(app_state: AppState, limit: int) -> list[HeldOfUser]:
    """Return the users with executions on hold, those with most first."""
    execution = app_state.models.execution
    on_hold = sa.and_(has_status(execution, ExecutionStatus.QUEUED), execution.on_hold.is_(True))
    held = _count_by_owner(execution, on_hold)
    running = _count_by_owner(execution, has_status(execution, ExecutionStatus.RUNNING))
    busy = sa.func.coalesce(running.c.times, 0)
    query = sa.select(held.c.user_id, held.c.times, busy)
    query = query.outerjoin(running, running.c.user_id == held.c.user_id)
    query = query.order_by(held.c.times.desc(), held.c.user_id).limit(limit)
    with app_state.database.read_session() as session:
        return [HeldOfUser(*row) for row in session.execute(query)]


def _count_by_owner(
    execution: type[ExecutionMixin], condition: sa.ColumnElement[bool]
) -> sa.Subquery:
    """Return how many executions of each user there are, with one condition for one index."""
    user, times = execution.owner_id.label("user_id"), sa.func.count().label("times")
    return sa.select(user, times).where(condition).group_by(execution.owner_id).subquery()
