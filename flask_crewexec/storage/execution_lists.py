"""SELECTs of lists of executions, without their inputs and results, which may be large."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
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
from .execution_queries import with_time
from .ownership import Requester
from .ownership import visible_to


def list_executions(
    app_state: AppState,
    requester: Requester,
    filters: Mapping[str, object],
    *,
    before: uuid.UUID | None,
    limit: int,
) -> Sequence[ExecutionMixin]:
    """Return executions, newest first.

    :param filters: columns that must equal a value.
    :param before: return only executions that are older than this one.
    """
    execution = app_state.models.execution
    query = visible_to(sa.select(execution), execution, requester).order_by(execution.id.desc())
    query = query.filter_by(**filters).limit(limit).options(*_for_lists(app_state.models))
    if before is not None:
        query = query.where(execution.id < before)
    with app_state.database.read_session() as session:
        return session.scalars(query).all()


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
    return [with_time(execution), with_graph_name(models), *large]
