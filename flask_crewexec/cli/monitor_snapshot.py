"""What the monitor shows from the database."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from ..app_state import AppState
from ..models import ExecutionMixin
from ..storage.execution_lists import list_finished
from ..storage.execution_lists import list_running
from ..storage.queue_stats import count_active
from ..storage.queue_stats import count_on_hold
from ..storage.queue_stats import OpenInputs
from ..storage.queue_stats import read_open_inputs
from ..storage.workers import known_workers
from ..storage.workers import SeenWorker

MAX_ROWS: t.Final = 50
"""Longest list that is read; more does not fit on a screen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class QueueSnapshot:
    """Workers and executions of all users; at most ``MAX_ROWS`` in each list."""

    counts: Mapping[str, int]
    """Number of executions by status, for statuses that are not final."""
    on_hold: Mapping[int, int]
    """Number of executions on hold by priority."""
    inputs: OpenInputs
    """Input requests that are open."""
    workers: Sequence[SeenWorker]
    """Alive or not, those with the latest heartbeat first."""
    running: Sequence[ExecutionMixin]
    """Longest running first, without their inputs and results."""
    ended: Sequence[ExecutionMixin]
    """Latest first, without their inputs and results."""


def read_snapshot(app_state: AppState) -> QueueSnapshot:
    """Read the tables in short transactions."""
    return QueueSnapshot(
        counts=count_active(app_state),
        on_hold=count_on_hold(app_state),
        inputs=read_open_inputs(app_state),
        workers=known_workers(app_state, MAX_ROWS),
        running=list_running(app_state, MAX_ROWS),
        ended=list_finished(app_state, MAX_ROWS),
    )
