"""SELECTs of lists of executions, without their inputs and results, which may be large."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlalchemy.sql.base import ExecutableOption

from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import Models
from ..statuses import ExecutionStatus
from ..statuses import has_status
from .execution_queries import with_graph_name
from .execution_queries import with_pause
from .execution_queries import with_time
from .ownership import Requester
from .ownership import visible_to
from .usage_report import lowest_uuid7_at

Q = t.TypeVar("Q", bound=sa.Select[t.Any])


def list_executions(
    app_state: AppState,
    requester: Requester,
    *,
    limit: int,
    before: uuid.UUID | None = None,
    **filters: t.Any,
) -> Sequence[ExecutionMixin]:
    """Return executions, newest first.

    :param before: return only executions that are older than this one.
    :param filters: as of :func:`matching`.
    """
    execution = app_state.models.execution
    query = matching(sa.select(execution), execution, requester, before=before, **filters)
    return _first(app_state, query.order_by(execution.id.desc()), limit)


def matching(
    query: Q,
    execution: type[ExecutionMixin],
    requester: Requester,
    *,
    ids: Collection[uuid.UUID] | None = None,
    before: uuid.UUID | None = None,
    after: uuid.UUID | None = None,
    created_after: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
    **columns: object,
) -> Q:
    """Restrict a *query* of executions to those that *requester* may see and that match.

    :param ids: only these, as far as there are any.
    :param before: only executions that are older than this one.
    :param after: only executions that are newer than this one.
    :param created_after: only those with an id of this time or later.
    :param created_before: only those with an earlier id.
    :param columns: values that columns must equal.
    """
    query = visible_to(query, execution, requester).filter_by(**columns)
    query = query.where(*_within(execution, created_after, created_before))
    if ids is not None:
        query = query.where(execution.id.in_(ids))
    if before is not None:
        query = query.where(execution.id < before)
    return query if after is None else query.where(execution.id > after)


def _within(
    execution: type[ExecutionMixin], start: dt.datetime | None, end: dt.datetime | None
) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions on the time in ids, by which every index ends."""
    if start is not None:
        yield execution.id >= lowest_uuid7_at(start)
    if end is not None:
        yield execution.id < lowest_uuid7_at(end)


def list_running(app_state: AppState, limit: int) -> Sequence[ExecutionMixin]:
    """Return running executions, longest running first."""
    execution = app_state.models.execution
    query = sa.select(execution).where(has_status(execution, ExecutionStatus.RUNNING))
    return _first(app_state, query.order_by(execution.started_at), limit)


def list_finished(app_state: AppState, limit: int) -> Sequence[ExecutionMixin]:
    """Return executions that have ended, latest first."""
    execution = app_state.models.execution
    query = sa.select(execution).where(execution.finished_at.is_not(None))
    return _first(app_state, query.order_by(execution.finished_at.desc()), limit)


def _first(
    app_state: AppState, query: sa.Select[ExecutionMixin], limit: int
) -> Sequence[ExecutionMixin]:
    query = query.options(*_for_lists(app_state.models)).limit(limit)
    with app_state.database.read_session() as session:
        return session.scalars(query).all()


def _for_lists(models: Models) -> list[ExecutableOption]:
    execution = models.execution
    documents = (execution.inputs, execution.result)
    large = [defer(column, raiseload=True) for column in documents]
    return [with_time(execution), with_pause(models), with_graph_name(models), *large]
