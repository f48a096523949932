"""What the database says about the work of all users, at a glance."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import defer

from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import WorkerMixin
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..storage.queue_stats import count_active
from ..storage.queue_stats import count_on_hold

MAX_ROWS: t.Final = 50
"""More fits on no screen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class QueueSnapshot:
    """One look at the tables; no more than ``MAX_ROWS`` of each."""

    counts: Mapping[str, int]
    """How many executions are in each state that is not final; none where there are none."""
    on_hold: Mapping[int, int]
    """How many queued executions wait for their user's turn, by priority."""
    workers: Sequence[WorkerMixin]
    """Also those that were not heard of for long; the latest first."""
    running: Sequence[ExecutionMixin]
    """The longest running first, without their inputs and results."""
    ended: Sequence[ExecutionMixin]
    """The latest first, without their inputs and results."""


def read_snapshot(app_state: AppState) -> QueueSnapshot:
    """Read it in short transactions."""
    worker = app_state.models.worker
    workers = sa.select(worker).order_by(worker.seen_at.desc()).limit(MAX_ROWS)
    counts, on_hold = count_active(app_state), count_on_hold(app_state)
    with app_state.database.read_session() as session:
        return QueueSnapshot(
            counts=counts,
            on_hold=on_hold,
            workers=session.scalars(workers).all(),
            running=session.scalars(_running(app_state)).all(),
            ended=session.scalars(_ended(app_state)).all(),
        )


def _running(app_state: AppState) -> sa.Select[ExecutionMixin]:
    execution = app_state.models.execution
    query = _executions(execution).where(has_status(execution, ExecutionStatus.RUNNING))
    return query.order_by(execution.started_at)


def _ended(app_state: AppState) -> sa.Select[ExecutionMixin]:
    execution = app_state.models.execution
    query = _executions(execution).where(execution.finished_at.is_not(None))
    return query.order_by(execution.finished_at.desc())


def _executions(execution: type[ExecutionMixin]) -> sa.Select[ExecutionMixin]:
    large = (defer(column, raiseload=True) for column in (execution.inputs, execution.result))
    return sa.select(execution).options(*large).limit(MAX_ROWS)
