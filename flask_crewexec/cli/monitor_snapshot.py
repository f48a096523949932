"""What the database says about the work of all users, at a glance."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import WorkerMixin
from ..storage.execution_queries import list_finished
from ..storage.execution_queries import list_running
from ..storage.queue_stats import count_active
from ..storage.queue_stats import count_on_hold
from ..storage.workers import known_workers

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
    return QueueSnapshot(
        counts=count_active(app_state),
        on_hold=count_on_hold(app_state),
        workers=known_workers(app_state, MAX_ROWS),
        running=list_running(app_state, MAX_ROWS),
        ended=list_finished(app_state, MAX_ROWS),
    )
