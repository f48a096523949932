"""Whether runs may continue: looks up cancellations and lost leases in the database."""

from __future__ import annotations

import functools
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from ..app_state import AppState
from ..models import table_of
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..storage.fencing import Lease
from .database_retry import retry_while_unavailable
from .stop_reasons import LeaseLostStop
from .stop_reasons import RunCancelled
from .stop_reasons import StopRun

CancelFlags = dict[uuid.UUID, bool]
"""Whether cancellation was requested, by the fencing token of each valid lease."""


def read_cancel_flags(app_state: AppState, leases: Sequence[Lease]) -> CancelFlags:
    """Read the flags of several runs with one query."""
    execution = app_state.models.execution
    query = sa.select(execution.token, execution.cancel_requested_at.is_not(None)).where(
        execution.id.in_([lease.execution_id for lease in leases]),
        has_status(execution, ExecutionStatus.RUNNING),
    )
    with app_state.database.read_session() as session:
        return {
            token: requested for token, requested in session.execute(query) if token is not None
        }


def _read_cancel_flag(app_state: AppState, lease: Lease) -> CancelFlags:
    query = _query(table_of(app_state.models.execution))
    with app_state.database.autocommit_connection() as connection:
        rows = connection.execute(query, {"of_execution": lease.execution_id})
        return {token: requested for token, requested in rows}


@functools.lru_cache(maxsize=8)
def _query(execution: sa.Table) -> sa.Select[t.Any]:
    # Cached, since every run executes it at each of its boundaries.
    c = execution.c
    query = sa.select(c.token, c.cancel_requested_at.is_not(None))
    return query.where(c.id == sa.bindparam("of_execution"), has_status(c, ExecutionStatus.RUNNING))


def stop_reason(flags: CancelFlags, lease: Lease) -> StopRun | None:
    """Return why the run that holds *lease* must stop, if it must."""
    if lease.token not in flags:
        return LeaseLostStop("Another worker has taken the execution over.")
    if flags[lease.token]:
        return RunCancelled("Cancellation of the execution was requested.")
    return None


def check_cancelled(app_state: AppState, lease: Lease) -> StopRun | None:
    """Return why one run must stop, if it must; wait while the database is unavailable."""
    flags = retry_while_unavailable(
        lambda: _read_cancel_flag(app_state, lease), app_state.settings.database_retry_seconds
    )
    return stop_reason(flags, lease)
