"""Statistics of the executions that have ended, by hour."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from ..app_state import AppState
from ..statuses import ExecutionStatus
from . import database_clock


class Hour(t.NamedTuple):
    """Executions that ended within one hour."""

    begin: dt.datetime
    completed: int = 0
    other: int = 0
    """Failed, cancelled and timed out executions."""
    waiting: float | None = None
    """Mean seconds from submission to the first start."""


def read_hours(app_state: AppState, hours: int = 24) -> list[Hour]:
    """Return the last *hours*, the current one last."""
    with app_state.database.read_session() as session:
        current = database_clock.read(session).replace(minute=0, second=0, microsecond=0)
        begins = [current - dt.timedelta(hours=back) for back in reversed(range(hours))]
        rows = session.execute(_by_hour(app_state, begins[0])).all()
    found = {int(row.hour): row for row in rows}
    return [_hour(begin, found.get(int(begin.timestamp()))) for begin in begins]


def _hour(begin: dt.datetime, row: t.Any) -> Hour:
    if row is None:
        return Hour(begin)
    # PostgreSQL returns decimals.
    waiting = None if row.waiting is None else float(row.waiting)
    return Hour(begin, row.completed, row.ended - row.completed, waiting)


def _by_hour(app_state: AppState, since: dt.datetime) -> sa.Select[t.Any]:
    """Return the query for the hours, in seconds since the epoch, and what ended in them."""
    execution = app_state.models.execution
    ended = _epoch(execution.finished_at)
    hour = (ended - ended % 3600).label("hour")
    completed = sa.case((execution.status == ExecutionStatus.COMPLETED, 1), else_=0)
    waited = _epoch(execution.started_at) - _epoch(execution.created_at)
    query = sa.select(
        hour,
        sa.func.count().label("ended"),
        sa.func.sum(completed).label("completed"),
        sa.func.avg(waited).label("waiting"),
    )
    return query.where(execution.finished_at >= since).group_by(hour)


def _epoch(column: t.Any) -> sa.ColumnElement[t.Any]:
    """Return the SQL for a moment in seconds since the epoch; whole ones on SQLite."""
    return sa.extract("epoch", column)
