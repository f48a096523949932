"""Usage report by user and day, and the tokens that a user has used since a given time."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa

from .. import clock
from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import Usage
from . import database_clock
from .ownership import owned_by
from .ownership import Requester
from .ownership import visible_to

DEFAULT_DAYS: t.Final = 30


class DailyUsage(t.NamedTuple):
    """What one user has used on one day."""

    day: str
    """In UTC, as ``YYYY-MM-DD``."""
    user_id: str
    executions: int
    usage: Usage


def daily_usage(
    app_state: AppState,
    requester: Requester,
    *,
    since: dt.date | None = None,
    until: dt.date | None = None,
    user_id: str | None = None,
    limit: int = 1000,
) -> list[DailyUsage]:
    """Return totals by user and by the day (UTC) on which executions were queued, newest first.

    Executions that were purged are not counted.

    :param since: first day; thirty days ago if None.
    :param until: last day; today if None.
    """
    execution = app_state.models.execution
    day = database_clock.utc_day(execution.created_at)
    first_day = since or clock.now().date() - dt.timedelta(days=DEFAULT_DAYS)
    query = sa.select(
        day.label("day"),
        execution.owner_id.label("user_id"),
        sa.func.count().label("executions"),
        *(sa.func.sum(getattr(execution, name)).label(name) for name in Usage._fields),
    ).where(*_since(execution, _start_of(first_day)))
    if until is not None:
        query = query.where(*_before(execution, _start_of(until + dt.timedelta(days=1))))
    if user_id is not None:
        query = query.where(owned_by(execution, user_id))
    query = visible_to(query, execution, requester).group_by(day, execution.owner_id)
    query = query.order_by(day.desc(), execution.owner_id).limit(limit)
    with app_state.database.read_session() as session:
        return [_daily_usage(*row) for row in session.execute(query)]


def tokens_since_sql(
    app_state: AppState,
    user: sa.ColumnElement[str],
    moment: sa.ColumnElement[dt.datetime],
    first_id: sa.ColumnElement[uuid.UUID],
) -> sa.ColumnElement[int]:
    """Return the SQL for the tokens of a user's executions that were queued since *moment*.

    Executions that were queued earlier and retried since then count with all their tokens, except
    those that they had used before they waited for people.

    :param first_id: the :func:`lowest_uuid7_at` that time.
    """
    execution = app_state.models.execution
    tokens = execution.prompt_tokens + execution.completion_tokens
    since = tokens - sa.func.coalesce(execution.former_tokens, 0)
    of_user = owned_by(execution, user)
    again = (execution.id < first_id, execution.attempt > 1, execution.queued_at >= moment)
    new = _total(tokens).where(of_user, execution.id >= first_id).scalar_subquery()
    return new + _total(since).where(of_user, *again).scalar_subquery()


def _total(tokens: sa.ColumnElement[int]) -> sa.Select[tuple[int]]:
    return sa.select(sa.func.coalesce(sa.func.sum(tokens), 0))


def lowest_uuid7_at(moment: dt.datetime) -> uuid.UUID:
    """Return the lowest id of an execution created at *moment*: ids start with their time."""
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


CLOCK_SKEW: t.Final = dt.timedelta(minutes=5)
"""How much the time in an id may differ from the time in its row."""


def _since(execution: type[ExecutionMixin], moment: dt.datetime) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a row is not older; only the first one has an index."""
    return [execution.id >= lowest_uuid7_at(moment - CLOCK_SKEW), execution.created_at >= moment]


def _before(execution: type[ExecutionMixin], moment: dt.datetime) -> list[sa.ColumnElement[bool]]:
    return [execution.id < lowest_uuid7_at(moment + CLOCK_SKEW), execution.created_at < moment]


def _daily_usage(day: str, user_id: str, executions: int, *totals: int) -> DailyUsage:
    # PostgreSQL returns sums as decimals.
    return DailyUsage(day, user_id, executions, Usage(*map(int, totals)))


def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
