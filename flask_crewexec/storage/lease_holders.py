"""Leases by the processes that hold them."""

from __future__ import annotations

import typing as t
from collections.abc import Collection
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models
from ..statuses import ExecutionStatus
from ..statuses import has_status
from . import database_clock


def read_holders(session: Session, models: Models, machine: str) -> Sequence[str]:
    """Return the incarnations of a *machine* that hold leases."""
    execution = models.execution
    query = sa.select(execution.incarnation).distinct()
    of_machine = execution.incarnation.startswith(f"{machine}/", autoescape=True)
    running = has_status(execution, ExecutionStatus.RUNNING)
    return t.cast("Sequence[str]", session.scalars(query.where(running, of_machine)).all())


def expire_leases_of(session: Session, models: Models, incarnations: Collection[str]) -> int:
    """Let the leases of processes that have ended expire now, for the reconciler.

    :return: how many leases were still to expire.
    """
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.incarnation.in_(incarnations),
            has_status(execution, ExecutionStatus.RUNNING),
            execution.lease_expires_at >= database_clock.now(),
        )
        # Reconcilers look for leases that have expired before the current time.
        .values(lease_expires_at=database_clock.seconds_from_now(-1))
    )
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return t.cast("sa.CursorResult[t.Any]", result).rowcount
