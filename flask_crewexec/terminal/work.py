"""What the database says about the work of all users, at a glance."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import defer

from ..binding import Binding
from ..models import ExecutionMixin
from ..models import WorkerMixin
from ..states import has_status
from ..states import State
from ..workload import count_held
from ..workload import count_unfinished

MAX_ROWS: t.Final = 50
"""More fits on no screen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """One look at the tables; no more than ``MAX_ROWS`` of each."""

    counts: Mapping[str, int]
    """How many executions are in each state that is not final; none where there are none."""
    held: Mapping[int, int]
    """How many queued executions wait for their user's turn, by priority."""
    workers: Sequence[WorkerMixin]
    """Also those that were not heard of for long; the latest first."""
    running: Sequence[ExecutionMixin]
    """The longest running first, without their inputs and results."""
    ended: Sequence[ExecutionMixin]
    """The latest first, without their inputs and results."""


def look_at_work(binding: Binding) -> Work:
    """Read it in short transactions."""
    worker = binding.models.worker
    workers = sa.select(worker).order_by(worker.seen_at.desc()).limit(MAX_ROWS)
    counts, held = count_unfinished(binding), count_held(binding)
    with binding.session() as session:
        return Work(
            counts=counts,
            held=held,
            workers=session.scalars(workers).all(),
            running=session.scalars(_running(binding)).all(),
            ended=session.scalars(_ended(binding)).all(),
        )


def _running(binding: Binding) -> sa.Select[ExecutionMixin]:
    execution = binding.models.execution
    query = _executions(execution).where(has_status(execution, State.RUNNING))
    return query.order_by(execution.started_at)


def _ended(binding: Binding) -> sa.Select[ExecutionMixin]:
    execution = binding.models.execution
    query = _executions(execution).where(execution.finished_at.is_not(None))
    return query.order_by(execution.finished_at.desc())


def _executions(execution: type[ExecutionMixin]) -> sa.Select[ExecutionMixin]:
    large = (defer(column, raiseload=True) for column in (execution.inputs, execution.result))
    return sa.select(execution).options(*large).limit(MAX_ROWS)
