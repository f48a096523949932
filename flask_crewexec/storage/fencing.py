"""Fencing: writes of a worker that change nothing once its lease is lost.

Each write names the fencing token of the lease. Once the execution's row has another token, the
write finds no row, so a worker that was presumed dead cannot overwrite the work of its successor.
"""

from __future__ import annotations

import functools
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from ..errors import LeaseLost
from ..models import ExecutionMixin
from ..models import Models
from ..models import table_of
from ..models import Usage
from ..statuses import ExecutionStatus
from ..statuses import has_status
from . import update_statements
from .transitions import update_one

Values = dict[str, t.Any]


class Lease(t.NamedTuple):
    """What identifies a lease; a worker passes it with each write."""

    execution_id: uuid.UUID
    attempt: int
    token: uuid.UUID


def lease_is_valid(execution: type[ExecutionMixin], lease: Lease) -> sa.ColumnElement[bool]:
    """Return the condition that nobody else has taken over the lease."""
    return sa.and_(
        execution.id == lease.execution_id,
        execution.token == lease.token,
        has_status(execution, ExecutionStatus.RUNNING),
    )


def fenced_update(session: Session, models: Models, lease: Lease, **values: t.Any) -> None:
    """Change columns of a running execution under its lease.

    Call it first in a transaction that also writes steps or events: it locks the row, which keeps
    other writers out until the commit.

    :raises LeaseLost: if the lease is not valid any more.
    """
    statement = _fenced_statement(table_of(models.execution), tuple(values))
    parameters = {**fencing_parameters(lease), **update_statements.bind_values(values)}
    if not update_one(session, statement, parameters):
        raise _lease_lost(lease)


def fenced_update_once(
    session: Session,
    models: Models,
    lease: Lease,
    number: int,
    *,
    new_events: int,
    usage: Usage,
    **values: t.Any,
) -> int | None:
    """Do the same as :func:`fenced_update`, as write *number* of the lease, counted from 0.

    :param new_events: how many events are inserted in the same transaction.
    :param usage: added to the usage of the execution.
    :return: the number of the last of these events; None if the write was committed before, but
        the confirmation was lost.
    :raises LeaseLost: if the lease is not valid any more.
    """
    statement = _fenced_once_statement(table_of(models.execution), tuple(values))
    new = update_statements.bind_values({**values, **usage._asdict()})
    counts = {"new_events": new_events, "write_number": number}
    last: int | None = session.scalar(statement, {**fencing_parameters(lease), **counts, **new})
    if last is None:
        verify_write(session, models, lease, number)
    return last


def verify_write(
    database: Session | sa.Connection, models: Models, lease: Lease, number: int
) -> None:
    """Check that write *number* of the lease is the last one that was committed.

    :raises LeaseLost: if it is not.
    """
    execution = models.execution
    query = sa.select(execution.writes).where(
        execution.id == lease.execution_id, execution.token == lease.token
    )
    if database.scalar(query) != number + 1:
        raise _lease_lost(lease)


def _lease_lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"The lease of execution {lease.execution_id} is not valid any more.")


@functools.lru_cache(maxsize=update_statements.STATEMENT_CACHE_SIZE)
def _fenced_statement(execution: sa.Table, names: tuple[str, ...]) -> sa.Update:
    c = execution.c
    is_valid = (
        c.id == sa.bindparam("lease_execution_id"),
        c.token == sa.bindparam("lease_token"),
        has_status(c, ExecutionStatus.RUNNING),
    )
    new = update_statements.set_clauses(execution, names)
    return sa.update(execution).where(*is_valid).values(new)


def fencing_parameters(lease: Lease) -> Values:
    """Return the parameters by which a statement names *lease*."""
    return {"lease_execution_id": lease.execution_id, "lease_token": lease.token}


@functools.lru_cache(maxsize=update_statements.STATEMENT_CACHE_SIZE)
def _fenced_once_statement(execution: sa.Table, names: tuple[str, ...]) -> ReturningUpdate[t.Any]:
    return fenced_update_statement(execution, names).returning(execution.c.last_event)


def fenced_update_statement(execution: sa.Table, names: tuple[str, ...]) -> sa.Update:
    """Return the statement of :func:`fenced_update_once` that sets the columns *names*."""
    writes, last = execution.c.writes, execution.c.last_event
    counted = {"writes": writes + 1, "last_event": last + sa.bindparam("new_events")}
    statement = _fenced_statement(execution, names).where(writes == sa.bindparam("write_number"))
    return statement.values({**counted, **update_statements.increment_clauses(execution)})
