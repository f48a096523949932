"""Leases: the right of one worker to run one attempt of one execution.

A lease is a fencing token in the execution's row (see :mod:`.fencing`), together with a time at
which it expires, by the database's clock, unless the worker renews it.
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
from ..models import ExecutionMixin
from ..models import Models
from ..models import table_of
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..statuses import StepStatus
from . import database_clock
from . import update_statements
from .failures import error_columns
from .fencing import fenced_update
from .fencing import Lease
from .fencing import lease_is_valid
from .input_withdrawal import withdraw_open
from .ownership import owned_by
from .queue_pause import is_paused
from .transitions import update_one

Values = dict[str, t.Any]


class LeaseRequest(t.NamedTuple):
    """Which attempt a worker wants to run, and on which terms."""

    execution_id: uuid.UUID
    attempt: int
    worker: str
    lease_seconds: float
    """Seconds until the lease expires unless it is renewed."""
    max_running: int | None = None
    """How many executions of one user may run at once; beyond it the attempt is put on hold."""
    new_events: int = 0
    """How many events are inserted in the same transaction; ``last_event`` is raised by it."""
    incarnation: str | None = None
    """Which start of which process will hold the lease, if that is known."""
    worker_id: uuid.UUID | None = None
    """The start of the worker to which that process belongs."""


class ClaimedAttempt(t.NamedTuple):
    """A lease that was just acquired."""

    lease: Lease
    row: sa.Row[t.Any]
    """The execution without its result and error, and the database's time, ``database_time``."""


def acquire(session: Session, models: Models, request: LeaseRequest) -> ClaimedAttempt | None:
    """Acquire the lease of a queued attempt.

    :return: None if the attempt is taken, outdated, cancelled, on hold or deleted, or the queue
        paused.
    """
    if _hold_if_at_concurrency_limit(session, models, request):
        return None
    token = uuid7()
    parameters = {
        "of_execution": request.execution_id,
        "of_attempt": request.attempt,
        "new_events": request.new_events,
        "lease_seconds": request.lease_seconds,
        **update_statements.bind_values(
            {
                "token": token,
                "worker": request.worker,
                "incarnation": request.incarnation,
                "worker_id": request.worker_id,
            }
        ),
    }
    row = session.execute(_acquire_statement(models), parameters).one_or_none()
    if row is None:
        return None
    return ClaimedAttempt(Lease(request.execution_id, request.attempt, token), row)


@functools.lru_cache(maxsize=8)
def _acquire_statement(models: Models) -> ReturningUpdate[t.Any]:
    execution = table_of(models.execution)
    c = execution.c
    statement = sa.update(execution).where(
        c.id == sa.bindparam("of_execution"),
        c.attempt == sa.bindparam("of_attempt"),
        has_status(c, ExecutionStatus.QUEUED),
        sa.or_(c.deadline.is_(None), c.deadline > database_clock.now()),
        sa.not_(is_paused(models)),
    )
    expires_at = database_clock.seconds_from_now(sa.bindparam("lease_seconds", type_=sa.Float))
    new = update_statements.set_clauses(execution, ("token", "worker", "incarnation", "worker_id"))
    statement = statement.values(
        {**_running_values(execution), **new, "lease_expires_at": expires_at}
    )
    returned = [column for column in c if column.name not in ("result", "error")]
    return statement.returning(*returned, database_clock.now().label("database_time"))


def _running_values(execution: sa.Table) -> Values:
    c = execution.c
    return {
        "status": ExecutionStatus.RUNNING,
        "writes": 0,
        "last_event": c.last_event + sa.bindparam("new_events", type_=sa.Integer),
        "on_hold": False,
        "started_at": sa.func.coalesce(c.started_at, database_clock.now()),
        "deadline": sa.func.coalesce(
            c.deadline, database_clock.seconds_from_now(sa.func.coalesce(c.seconds_left, c.timeout))
        ),
        "seconds_left": None,
    }


def _hold_if_at_concurrency_limit(session: Session, models: Models, request: LeaseRequest) -> bool:
    """Put a queued attempt on hold if its user already runs as many executions as allowed.

    The limit is exact. On PostgreSQL an advisory lock makes the user's claims wait for each other
    until their transactions end; SQLite has only one writer.
    """
    if request.max_running is None:
        return False
    execution = models.execution
    this = execution.id == request.execution_id
    if session.get_bind().dialect.name == "postgresql":
        key = sa.func.hashtextextended(execution.owner_id, 0)
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(key)).where(this))
    statement = (
        sa.update(execution)
        .where(
            this,
            execution.attempt == request.attempt,
            has_status(execution, ExecutionStatus.QUEUED),
        )
        .where(_running_of_owner(execution) >= request.max_running)
        .values(on_hold=True, published_at=None)
    )
    return update_one(session, statement)


def _running_of_owner(execution: type[ExecutionMixin]) -> sa.ScalarSelect[int]:
    other = sa.orm.aliased(execution)
    running = sa.select(sa.func.count()).select_from(other)
    return running.where(
        owned_by(other, execution.owner_id), has_status(other, ExecutionStatus.RUNNING)
    ).scalar_subquery()


def renew(
    session: Session, models: Models, leases: Iterable[Lease], lease_seconds: float
) -> set[uuid.UUID]:
    """Let those *leases* that are still valid expire *lease_seconds* from now.

    :return: the tokens of these leases.
    """
    execution = models.execution
    tokens = execution.token.in_([lease.token for lease in leases])
    ids = execution.id.in_([lease.execution_id for lease in leases])
    statement = (
        sa.update(execution)
        .where(ids, tokens, has_status(execution, ExecutionStatus.RUNNING))
        .values(lease_expires_at=database_clock.seconds_from_now(lease_seconds))
        .returning(execution.token)
    )
    options = {"synchronize_session": False}
    renewed = session.scalars(statement, execution_options=options)
    return {token for token in renewed if token is not None}


def finish(
    session: Session, models: Models, lease: Lease, status: ExecutionStatus, **values: t.Any
) -> None:
    """End the execution with a terminal *status*; outputs of completed steps are kept.

    :raises LeaseLost: if the lease is not valid any more.
    """
    now = database_clock.read(session)
    fenced_update(session, models, lease, **finished_values(status, now, **values))
    finish_step(session, models, lease, status, now)


def finished_values(status: ExecutionStatus, now: dt.datetime, **values: t.Any) -> Values:
    """Return the columns that change when an execution ends with a terminal *status*."""
    if "error" in values:
        values |= error_columns(values["error"])
    return {**_CLEARED, "status": status, "finished_at": now, **values}


def finish_step(
    session: Session, models: Models, lease: Lease, status: ExecutionStatus, now: dt.datetime
) -> None:
    """End the running step with the status with which the execution ends.

    What it has asked people is withdrawn.
    """
    withdraw_open(session, models, lease.execution_id)
    _update_running_step(session, models, lease, status=StepStatus(status), finished_at=now)


def release(session: Session, models: Models, lease: Lease) -> bool:
    """Queue the next attempt at once, for another worker.

    :return: False if cancellation was requested.
    """
    return _end_attempt(session, models, lease, **_queued_values(models.execution))


def release_after_loss(session: Session, models: Models, lease: Lease) -> bool:
    """Queue the next attempt after this one ended with its worker.

    :return: False if cancellation was requested.
    """
    execution = models.execution
    lost = {"lost_attempts": execution.lost_attempts + 1}
    return _end_attempt(session, models, lease, **_queued_values(execution), **lost)


def schedule_retry(
    session: Session,
    models: Models,
    lease: Lease,
    *,
    error: dict[str, t.Any],
    seconds: float,
) -> bool:
    """Schedule the next attempt in some *seconds*.

    :param error: of this attempt.
    :return: False if cancellation was requested.
    """
    execution = models.execution
    return _end_attempt(
        session,
        models,
        lease,
        **_CLEARED,
        status=ExecutionStatus.RETRYING,
        attempt=lease.attempt + 1,
        retries=execution.retries + 1,
        available_at=database_clock.seconds_from_now(seconds),
        **error_columns(error),
    )


def wait_for_input(session: Session, models: Models, lease: Lease) -> bool:
    """Let the execution wait for people, without a worker.

    What is left of its timeout goes on with the next attempt.

    :return: False if cancellation was requested.
    """
    deadline = models.execution.deadline
    query = sa.select(deadline, database_clock.now())
    end, now = session.execute(query.where(models.execution.id == lease.execution_id)).one()
    left = None if end is None else (clock.as_utc(end) - clock.as_utc(now)).total_seconds()
    return _end_attempt(
        session,
        models,
        lease,
        **_CLEARED,
        status=ExecutionStatus.WAITING_INPUT,
        attempt=lease.attempt + 1,
        waiting_since=database_clock.now(),
        deadline=None,
        seconds_left=None if left is None else max(0.0, left),
    )


def _end_attempt(session: Session, models: Models, lease: Lease, **values: t.Any) -> bool:
    """End the attempt, but not the execution; the running step starts again with the next one."""
    execution = models.execution
    not_cancelled = execution.cancel_requested_at.is_(None)
    statement = sa.update(execution).where(lease_is_valid(execution, lease), not_cancelled)
    if not update_one(session, statement.values(**values)):
        return False
    _update_running_step(session, models, lease, status=StepStatus.PENDING, started_at=None)
    return True


def is_expired(execution: type[ExecutionMixin]) -> sa.ColumnElement[bool]:
    """Return the condition that a worker has not renewed its lease in time."""
    return sa.and_(
        has_status(execution, ExecutionStatus.RUNNING),
        execution.lease_expires_at < database_clock.now(),
    )


def take_over_expired(session: Session, models: Models, lease: Lease) -> Lease | None:
    """Replace a lease that has expired; None if it was renewed or taken over in the meantime."""
    execution = models.execution
    new = lease._replace(token=uuid7())
    statement = (
        sa.update(execution)
        .where(lease_is_valid(execution, lease), is_expired(execution))
        .values(token=new.token)
    )
    return new if update_one(session, statement) else None


def cap_leases(session: Session, models: Models, lease_seconds: float) -> None:
    """Let no lease expire later than *lease_seconds* from now.

    Leases can only be longer if the database's clock was set back. Executions of dead workers
    would then have to wait for that long.
    """
    execution = models.execution
    latest = database_clock.seconds_from_now(lease_seconds)
    session.execute(
        sa.update(execution)
        .where(has_status(execution, ExecutionStatus.RUNNING), execution.lease_expires_at > latest)
        .values(lease_expires_at=latest),
        execution_options={"synchronize_session": False},
    )


_CLEARED: t.Final = {
    "lease_expires_at": None,
    "current_step": None,
    "current_agent": None,
}


def _queued_values(execution: type[ExecutionMixin]) -> Values:
    return {
        **_CLEARED,
        "status": ExecutionStatus.QUEUED,
        "attempt": execution.attempt + 1,
        "queued_at": database_clock.now(),
        "published_at": None,
    }


def _update_running_step(session: Session, models: Models, lease: Lease, **values: t.Any) -> None:
    """Change the step that is running, if there is one."""
    step = models.step
    session.execute(
        sa.update(step)
        .where(step.execution_id == lease.execution_id, has_status(step, StepStatus.RUNNING))
        .values(**values),
        execution_options={"synchronize_session": False},
    )
