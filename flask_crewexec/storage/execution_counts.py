"""How many executions match the filters of a list, as far as people want to know it."""

from __future__ import annotations

import itertools
import typing as t
import uuid
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..models import ExecutionMixin
from ..statuses import ExecutionStatus
from ..statuses import has_status
from .execution_lists import matching
from .ownership import Requester

_IN_STATUS_INDEXES: t.Final = frozenset({"owner_id", "created_after", "created_before"})
"""Filters that the indexes of statuses contain."""


class Counts(t.NamedTuple):
    """Executions by status."""

    by_status: dict[str, int]
    """Of each status; those that reach the limit may be more."""
    is_complete: bool
    """Whether all executions were looked at; otherwise each number is the least that there are."""


def count_by_status(
    app_state: AppState, requester: Requester, limit: int, **filters: t.Any
) -> Counts:
    """Return how many executions of each status match, at most *limit* of each.

    Where an index contains the status and the filters, each status is counted by itself. With
    other filters only the newest *limit* executions that match are looked at.
    """
    count = _each if filters.keys() <= _IN_STATUS_INDEXES else _newest
    with app_state.database.read_session() as session:
        return count(session, app_state.models.execution, requester, limit, filters)


def _each(
    session: Session,
    execution: type[ExecutionMixin],
    requester: Requester,
    limit: int,
    filters: dict[str, t.Any],
) -> Counts:
    parts = []
    for status in ExecutionStatus:
        found = matching(sa.select(execution.id), execution, requester, **filters)
        rows = found.where(has_status(execution, status)).limit(limit).subquery()
        parts.append(sa.select(sa.func.count()).select_from(rows).scalar_subquery().label(status))
    (row,) = session.execute(sa.select(*parts))
    return Counts({status: row[at] for at, status in enumerate(ExecutionStatus)}, True)


def _newest(
    session: Session,
    execution: type[ExecutionMixin],
    requester: Requester,
    limit: int,
    filters: dict[str, t.Any],
) -> Counts:
    found = matching(sa.select(execution.status), execution, requester, **filters)
    rows = found.order_by(execution.id.desc()).limit(limit).subquery()
    query = sa.select(rows.c.status, sa.func.count()).group_by(rows.c.status)
    by_status: dict[str, int] = {status: count for status, count in session.execute(query)}
    is_complete = sum(by_status.values()) < limit
    return Counts({status: by_status.get(status, 0) for status in ExecutionStatus}, is_complete)


def count_newer(
    app_state: AppState, requester: Requester, newest: uuid.UUID, limit: int, **filters: t.Any
) -> int:
    """Return how many executions match that are newer than *newest*, at most *limit*."""
    execution = app_state.models.execution
    found = matching(sa.select(execution.id), execution, requester, after=newest, **filters)
    rows = found.order_by(execution.id.desc()).limit(limit).subquery()
    with app_state.database.read_session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(rows)) or 0


def find_ids(
    app_state: AppState,
    requester: Requester,
    statuses: Collection[ExecutionStatus],
    limit: int,
    *,
    uncancelled: bool = False,
    **filters: t.Any,
) -> list[uuid.UUID]:
    """Return the ids of executions that match and have one of *statuses*, newest first.

    :param uncancelled: whether to leave out those that nobody needs to cancel again.
    """
    execution = app_state.models.execution
    query = matching(sa.select(execution.id), execution, requester, **filters)
    query = query.order_by(execution.id.desc()).limit(limit)
    if uncancelled:
        query = query.where(execution.cancel_requested_at.is_(None))
    with app_state.database.read_session() as session:
        # One after the other, since each has an index.
        each = (session.scalars(query.where(has_status(execution, one))) for one in statuses)
        return sorted(itertools.chain.from_iterable(each), reverse=True)[:limit]
