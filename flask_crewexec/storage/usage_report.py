"""Usage report by day, and the tokens that a user has used since a given time."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa

from .. import clock
from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import Usage
from ..statuses import UsageGroup
from .erasure import erased_usage
from .ownership import owned_by
from .ownership import Requester
from .ownership import user_seen_by
from .ownership import visible_to
from .usage_groups import grouped_usage

DEFAULT_DAYS: t.Final = 30


class DailyUsage(t.NamedTuple):
    """What was used on one day by one user, for one graph, or of one model.

    Of user, graph and model, only what was added up by is given.
    """

    day: str
    """In UTC, as ``YYYY-MM-DD``."""
    executions: int
    failed: int
    """How many of the executions have failed or timed out."""
    usage: Usage
    user_id: str | None = None
    graph_id: uuid.UUID | None = None
    graph_name: str | None = None
    """Present name of the graph."""
    model: str | None = None
    """Name of the model at its provider."""


def daily_usage(
    app_state: AppState,
    requester: Requester,
    *,
    group_by: str = UsageGroup.USER,
    since: dt.date | None = None,
    until: dt.date | None = None,
    user_id: str | None = None,
    limit: int = 1000,
) -> list[DailyUsage]:
    """Return totals by the day (UTC) on which executions were queued, newest first.

    Executions that were purged are not counted; by model, neither are calls that are not in the
    call log. Those of users whose data was erased are counted by user, without their names.

    :param group_by: a :class:`UsageGroup`: whose totals of each day are returned.
    :param since: first day; thirty days ago if None.
    :param until: last day; today if None.
    """
    execution = app_state.models.execution
    first_day = since or clock.now().date() - dt.timedelta(days=DEFAULT_DAYS)
    query = grouped_usage(app_state.models, group_by)
    query = query.where(*_since(execution, _start_of(first_day)))
    if until is not None:
        query = query.where(*_before(execution, _start_of(until + dt.timedelta(days=1))))
    if user_id is not None:
        query = query.where(owned_by(execution, user_id))
    query = visible_to(query, execution, requester).limit(limit)
    with app_state.database.read_session() as session:
        days = [_daily_usage(row) for row in session.execute(query).mappings()]
        if group_by != UsageGroup.USER:
            return days
        erased = erased_usage(app_state.models, first_day, until).limit(limit)
        for each in (user_id, user_seen_by(requester)):
            if each is not None:
                erased = erased.where(app_state.models.erased_usage.pseudonym == each)
        days += [_daily_usage(row) for row in session.execute(erased).mappings()]
    return sorted(days, key=lambda each: each.day, reverse=True)[:limit]


def usage_key(row: DailyUsage) -> str:
    """Return the name of the user, graph or model of a row."""
    return row.user_id or row.model or row.graph_name or str(row.graph_id or "")


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


def _daily_usage(row: sa.RowMapping) -> DailyUsage:
    # PostgreSQL returns sums as decimals.
    usage = Usage(*(int(row[name]) for name in Usage._fields))
    given = {name: row[name] for name in row if name not in Usage._fields}
    return DailyUsage(**given, usage=usage)


def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
