"""Claims: the right of one worker to run one attempt of one execution.

A claim is a *token* in the execution's row and a lease that its worker renews. Each write of a
worker names the token (a fencing token) and changes nothing once the row holds another one, so a
worker that was taken for dead cannot overwrite its successor. Leases run by the database's clock.
"""

from __future__ import annotations

import datetime as dt
import functools
import typing as t
import uuid
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate
from uuid_utils.compat import uuid7

from .. import clock
from ..errors import LeaseLost
from ..models import ExecutionMixin
from ..models import Models
from ..models import table_of
from ..models import Usage
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..statuses import StepStatus
from . import database_clock
from . import update_statements
from .ownership import owned_by
from .transitions import update_one


class Lease(t.NamedTuple):
    """What a worker shows with each write."""

    execution_id: uuid.UUID
    attempt: int
    token: uuid.UUID


class ClaimedAttempt(t.NamedTuple):
    """What a worker has when it has taken an attempt."""

    lease: Lease
    row: sa.Row[t.Any]
    """The execution, without what came of it, and the database's time as ``database_time``."""


def acquire(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    attempt: int,
    *,
    worker: str,
    lease_seconds: float,
    most: int | None = None,
    events: int = 0,
) -> ClaimedAttempt | None:
    """Take a queued attempt for *worker*; None if it is taken, outdated, cancelled or gone.

    :param lease: seconds for which it holds unless it is renewed.
    :param most: executions of one user that may run at once; beyond it the attempt is held.
    :param events: how many events are about to be inserted; the row tells the last one's number.
    """
    token = uuid7()
    if most is not None and _hold_if_at_concurrency_limit(
        session, models, execution_id, attempt, most
    ):
        return None
    given = {"of_execution": execution_id, "of_attempt": attempt, "new_events": events}
    times = {"lease_seconds": lease_seconds, "claimed_at": clock.now()}
    new = update_statements.bind_values({"token": token, "worker": worker})
    statement = _lease(table_of(models.execution))
    row = session.execute(statement, {**given, **times, **new}).one_or_none()
    return None if row is None else ClaimedAttempt(Lease(execution_id, attempt, token), row)


@functools.lru_cache(maxsize=8)
def _lease(execution: sa.Table) -> ReturningUpdate[t.Any]:
    c = execution.c
    statement = sa.update(execution).where(
        c.id == sa.bindparam("of_execution"),
        c.attempt == sa.bindparam("of_attempt"),
        has_status(c, ExecutionStatus.QUEUED),
        sa.or_(c.deadline.is_(None), c.deadline > database_clock.now()),
    )
    lease_seconds = database_clock.seconds_from_now(sa.bindparam("lease_seconds", type_=sa.Float))
    new = update_statements.set_clauses(execution, ("token", "worker"))
    statement = statement.values({**_running(execution), **new, "lease_expires_at": lease_seconds})
    known = [column for column in c if column.name not in ("result", "error")]
    return statement.returning(*known, database_clock.now().label("database_time"))


def _hold_if_at_concurrency_limit(
    session: Session, models: Models, execution_id: uuid.UUID, attempt: int, most: int
) -> bool:
    """Hold a queued attempt if as many of its user's executions run as may.

    On PostgreSQL the user's claims take turns until their transactions end, so it is exact; SQLite
    has one writer.
    """
    execution = models.execution
    other = sa.orm.aliased(execution)
    mine = execution.id == execution_id
    if session.get_bind().dialect.name == "postgresql":
        key = sa.func.hashtextextended(execution.owner_id, 0)
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(key)).where(mine))
    running = sa.select(sa.func.count()).select_from(other)
    running = running.where(
        owned_by(other, execution.owner_id), has_status(other, ExecutionStatus.RUNNING)
    )
    statement = (
        sa.update(execution)
        .where(mine, execution.attempt == attempt, has_status(execution, ExecutionStatus.QUEUED))
        .where(running.scalar_subquery() >= most)
        .values(on_hold=True, published_at=None)
    )
    return update_one(session, statement)


def _running(execution: sa.Table) -> dict[str, t.Any]:
    c, now = execution.c, sa.bindparam("claimed_at", type_=sa.DateTime(timezone=True))
    return {
        "status": ExecutionStatus.RUNNING,
        "writes": 0,
        "last_event": c.last_event + sa.bindparam("new_events", type_=sa.Integer),
        "on_hold": False,
        "started_at": sa.func.coalesce(c.started_at, now),
        "deadline": sa.func.coalesce(c.deadline, database_clock.seconds_from_now(c.timeout)),
    }


def lease_is_valid(execution: type[ExecutionMixin], lease: Lease) -> sa.ColumnElement[bool]:
    """Return the condition that the claim holds."""
    return sa.and_(
        execution.id == lease.execution_id,
        execution.token == lease.token,
        has_status(execution, ExecutionStatus.RUNNING),
    )


def fenced_update(session: Session, models: Models, lease: Lease, **values: t.Any) -> None:
    """Change columns of a running execution in the name of its claim.

    Call it first in a transaction that also writes steps or events: the row's lock then keeps
    everyone else out until the commit.

    :raises ClaimLost: if the claim does not hold any more.
    """
    statement = _write(table_of(models.execution), tuple(values))
    if not update_one(
        session, statement, {**fencing_parameters(lease), **update_statements.bind_values(values)}
    ):
        raise _lost(lease)


def fenced_update_once(
    session: Session,
    models: Models,
    lease: Lease,
    number: int,
    *,
    events: int,
    usage: Usage,
    **values: t.Any,
) -> int | None:
    """Do what :func:`write` does, as the claim's write *number*, counted from 0.

    :param events: how many events are about to be inserted.
    :param usage: what is added to the execution's.
    :return: the number of the last of them; None if the write was made before: its commit was
        lost on the way, but only for us.
    :raises ClaimLost: if the claim does not hold any more.
    """
    statement = _write_once(table_of(models.execution), tuple(values))
    new = update_statements.bind_values({**values, **usage._asdict()})
    counts = {"new_events": events, "write_number": number}
    last: int | None = session.scalar(statement, {**fencing_parameters(lease), **counts, **new})
    if last is None:
        verify_write(session, models, lease, number)
    return last


def verify_write(
    database: Session | sa.Connection, models: Models, lease: Lease, number: int
) -> None:
    """Look whether the claim's write *number* was made before.

    :raises ClaimLost: if it was not.
    """
    execution = models.execution
    query = sa.select(execution.writes).where(
        execution.id == lease.execution_id, execution.token == lease.token
    )
    if database.scalar(query) != number + 1:
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"Execution {lease.execution_id} is not ours any more.")


@functools.lru_cache(maxsize=update_statements.STATEMENT_CACHE_SIZE)
def _write(execution: sa.Table, names: tuple[str, ...]) -> sa.Update:
    c = execution.c
    holds = (
        c.id == sa.bindparam("shown_id"),
        c.token == sa.bindparam("shown_token"),
        has_status(c, ExecutionStatus.RUNNING),
    )
    return (
        sa.update(execution).where(*holds).values(update_statements.set_clauses(execution, names))
    )


def fencing_parameters(lease: Lease) -> dict[str, t.Any]:
    """Return the parameters that show *claim*."""
    return {"shown_id": lease.execution_id, "shown_token": lease.token}


@functools.lru_cache(maxsize=update_statements.STATEMENT_CACHE_SIZE)
def _write_once(execution: sa.Table, names: tuple[str, ...]) -> ReturningUpdate[t.Any]:
    return fenced_update_statement(execution, names).returning(execution.c.last_event)


def fenced_update_statement(execution: sa.Table, names: tuple[str, ...]) -> sa.Update:
    """Return the statement of :func:`write_once`, which sets the columns *names*."""
    writes, last = execution.c.writes, execution.c.last_event
    counted = {"writes": writes + 1, "last_event": last + sa.bindparam("new_events")}
    statement = _write(execution, names).where(writes == sa.bindparam("write_number"))
    return statement.values({**counted, **update_statements.increment_clauses(execution)})


def renew(
    session: Session, models: Models, held_leases: Iterable[Lease], lease_seconds: float
) -> None:
    """Let the leases of those *claims* that still hold run for *lease* seconds from now."""
    execution = models.execution
    mine = execution.token.in_([lease.token for lease in held_leases])
    ids = execution.id.in_([lease.execution_id for lease in held_leases])
    session.execute(
        sa.update(execution)
        .where(ids, mine, has_status(execution, ExecutionStatus.RUNNING))
        .values(lease_expires_at=database_clock.seconds_from_now(lease_seconds)),
        execution_options={"synchronize_session": False},
    )


def finish(
    session: Session, models: Models, lease: Lease, state: ExecutionStatus, **values: t.Any
) -> None:
    """End the execution in a final *state*; outputs of finished steps stay.

    :raises ClaimLost: if the claim does not hold any more.
    """
    now = clock.now()
    fenced_update(session, models, lease, **finished_values(state, now, **values))
    finish_step(session, models, lease, state, now)


def finished_values(state: ExecutionStatus, now: dt.datetime, **values: t.Any) -> dict[str, t.Any]:
    """Return the columns that change when an execution ends in a final *state*."""
    return {**_LET_GO, "status": state, "finished_at": now, **values}


def finish_step(
    session: Session, models: Models, lease: Lease, state: ExecutionStatus, now: dt.datetime
) -> None:
    """End the step that is under way, too."""
    _leave_step(session, models, lease, status=state, finished_at=now)


def release(session: Session, models: Models, lease: Lease) -> bool:
    """Queue the next attempt at once, for another worker; False if it is to be cancelled."""
    return _release(session, models, lease, **_queued(models.execution))


def release_after_loss(session: Session, models: Models, lease: Lease) -> bool:
    """Queue the next attempt after this one's worker was lost; False if it is to be cancelled."""
    execution = models.execution
    lost = {"lost_attempts": execution.lost_attempts + 1}
    return _release(session, models, lease, **_queued(execution), **lost)


def schedule_retry(
    session: Session,
    models: Models,
    lease: Lease,
    *,
    error: dict[str, t.Any],
    seconds: float,
) -> bool:
    """Let the next attempt begin in some *seconds*; False if it is to be cancelled."""
    execution = models.execution
    return _release(
        session,
        models,
        lease,
        **_LET_GO,
        status=ExecutionStatus.RETRYING,
        attempt=lease.attempt + 1,
        retries=execution.retries + 1,
        available_at=database_clock.seconds_from_now(seconds),
        error=error,
    )


def _release(session: Session, models: Models, lease: Lease, **values: t.Any) -> bool:
    execution = models.execution
    wanted = execution.cancel_requested_at.is_(None)
    statement = (
        sa.update(execution).where(lease_is_valid(execution, lease), wanted).values(**values)
    )
    if not update_one(session, statement):
        return False
    _leave_step(session, models, lease, **_UNSTARTED)
    return True


def is_expired(execution: type[ExecutionMixin]) -> sa.ColumnElement[bool]:
    """Return the condition that a worker has not renewed its lease in time."""
    return sa.and_(
        has_status(execution, ExecutionStatus.RUNNING),
        execution.lease_expires_at < database_clock.now(),
    )


def take_over_expired(session: Session, models: Models, lease: Lease) -> Lease | None:
    """Take a claim whose lease has run out; None if it was renewed or taken meanwhile."""
    execution = models.execution
    taken = lease._replace(token=uuid7())
    statement = (
        sa.update(execution)
        .where(lease_is_valid(execution, lease), is_expired(execution))
        .values(token=taken.token)
    )
    return taken if update_one(session, statement) else None


def cap_leases(session: Session, models: Models, lease_seconds: float) -> None:
    """Let no lease run for longer than *lease* seconds from now.

    None does, unless the database's clock was set back; a dead worker's execution would then
    wait for as long.
    """
    execution = models.execution
    longest = database_clock.seconds_from_now(lease_seconds)
    session.execute(
        sa.update(execution)
        .where(has_status(execution, ExecutionStatus.RUNNING), execution.lease_expires_at > longest)
        .values(lease_expires_at=longest),
        execution_options={"synchronize_session": False},
    )


_LET_GO: t.Final = {
    "lease_expires_at": None,
    "current_step": None,
    "current_agent": None,
}
_UNSTARTED: t.Final = {"status": StepStatus.PENDING, "started_at": None}


def _queued(execution: type[ExecutionMixin]) -> dict[str, t.Any]:
    return {
        **_LET_GO,
        "status": ExecutionStatus.QUEUED,
        "attempt": execution.attempt + 1,
        "queued_at": clock.now(),
        "published_at": None,
    }


def _leave_step(session: Session, models: Models, lease: Lease, **values: t.Any) -> None:
    """Change the step that is under way, if there is one."""
    step = models.step
    session.execute(
        sa.update(step)
        .where(step.execution_id == lease.execution_id, has_status(step, ExecutionStatus.RUNNING))
        .values(**values),
        execution_options={"synchronize_session": False},
    )
