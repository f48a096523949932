"""What the database says about runs: whether they may go on."""

from __future__ import annotations

import functools
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from ..app_state import AppState
from ..models import table_of
from ..storage.leases import Lease
from ..storage.transitions import ExecutionStatus
from ..storage.transitions import has_status
from .database_retry import retry_while_unavailable
from .run_control import LeaseLostStop
from .run_control import RunCancelled
from .run_control import StopRun

CancelFlags = dict[uuid.UUID, bool]
"""By the token of each claim that holds: whether its execution is to be cancelled."""


def read_cancel_flags(binding: AppState, claims: Sequence[Lease]) -> CancelFlags:
    """Read the orders for some runs with one query."""
    execution = binding.models.execution
    query = sa.select(execution.token, execution.cancel_requested_at.is_not(None)).where(
        execution.id.in_([claim.execution_id for claim in claims]),
        has_status(execution, ExecutionStatus.RUNNING),
    )
    with binding.session() as session:
        return {token: asked for token, asked in session.execute(query) if token is not None}


def _read_order(binding: AppState, claim: Lease) -> CancelFlags:
    query = _query(table_of(binding.models.execution))
    with binding.connection() as connection:
        rows = connection.execute(query, {"of_execution": claim.execution_id})
        return {token: asked for token, asked in rows}


@functools.lru_cache(maxsize=8)
def _query(execution: sa.Table) -> sa.Select[t.Any]:
    # Made once, since every run asks again and again.
    c = execution.c
    query = sa.select(c.token, c.cancel_requested_at.is_not(None))
    return query.where(c.id == sa.bindparam("of_execution"), has_status(c, ExecutionStatus.RUNNING))


def stop_reason(orders: CancelFlags, claim: Lease) -> StopRun | None:
    """Return why the run of *claim* may not go on, if it may not."""
    if claim.token not in orders:
        return LeaseLostStop("Another worker holds the execution.")
    if orders[claim.token]:
        return RunCancelled("Somebody asked to cancel the execution.")
    return None


def check_cancelled(binding: AppState, claim: Lease) -> StopRun | None:
    """Ask for one run; wait while the database is away, since it may have been taken over."""
    orders = retry_while_unavailable(
        lambda: _read_order(binding, claim), binding.settings.database_patience
    )
    return stop_reason(orders, claim)
