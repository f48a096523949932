"""The states of an execution and the one function for each change of state.

Every change is one conditional UPDATE that says which state it expects; whoever changes no
row has lost the race and must not go on. What a worker writes also names the *token* of its
claim (a fencing token), so that a worker that was taken for dead cannot overwrite its successor.

::

    queued ──claim──▶ running ──complete──▶ completed
      ▲ │                │ ├────fail──────▶ failed
      │ └─cancel─────────┼─┴────cancel────▶ cancelled
      └──requeue (a person asked)── failed, cancelled, timed_out
"""

from __future__ import annotations

import enum
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from . import clock
from .errors import ClaimLost
from .models import ExecutionMixin
from .models import Models

PRIORITIES: t.Final = range(1, 11)
"""1 is the most urgent."""


class State(enum.StrEnum):
    """Where an execution stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_INPUT = "waiting_input"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


UNCLAIMED = frozenset({State.QUEUED, State.WAITING_INPUT, State.RETRYING})
"""States in which no worker holds the execution."""
FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.TIMED_OUT})
"""States that end an execution."""
REPEATABLE = FINAL - {State.COMPLETED}
"""Final states from which a person may ask for another attempt."""


class Claim(t.NamedTuple):
    """The right of one worker to run one attempt of one execution."""

    execution_id: uuid.UUID
    attempt: int
    token: uuid.UUID


def claim(
    session: Session, models: Models, execution_id: uuid.UUID, attempt: int, worker: str
) -> Claim | None:
    """Take a queued attempt for *worker*; None if it is taken, outdated, cancelled or gone."""
    execution = models.execution
    token = uuid7()
    statement = (
        sa.update(execution)
        .where(
            execution.id == execution_id,
            execution.attempt == attempt,
            execution.status == State.QUEUED,
        )
        .values(
            status=State.RUNNING,
            token=token,
            worker=worker,
            started_at=sa.func.coalesce(execution.started_at, clock.now()),
        )
    )
    return Claim(execution_id, attempt, token) if _changed_one(session, statement) else None


def write_claimed(session: Session, models: Models, claim: Claim, **values: t.Any) -> None:
    """Change columns of a running execution in the name of its claim.

    Call it first in a transaction that also writes steps or events: the row's lock then keeps
    everyone else out until the commit.

    :raises ClaimLost: if the claim does not hold any more.
    """
    execution = models.execution
    statement = sa.update(execution).where(held(execution, claim)).values(**values)
    if not _changed_one(session, statement):
        raise ClaimLost(f"Execution {claim.execution_id} is not ours any more.")


def complete(session: Session, models: Models, claim: Claim, result: dict[str, t.Any]) -> None:
    """End the execution with its result.

    :raises ClaimLost: if the claim does not hold any more.
    """
    _finish(session, models, claim, State.COMPLETED, result=result)


def fail(session: Session, models: Models, claim: Claim, error: dict[str, t.Any]) -> None:
    """End the execution with an error that may be shown to its owner.

    :raises ClaimLost: if the claim does not hold any more.
    """
    _finish(session, models, claim, State.FAILED, error=error)


def cancel_claimed(session: Session, models: Models, claim: Claim) -> None:
    """End the execution because somebody asked for it; what is finished stays.

    :raises ClaimLost: if the claim does not hold any more.
    """
    _finish(session, models, claim, State.CANCELLED)


def _finish(session: Session, models: Models, claim: Claim, state: State, **values: t.Any) -> None:
    write_claimed(
        session, models, claim, status=state, token=None, finished_at=clock.now(), **values
    )


def cancel_unclaimed(
    session: Session, models: Models, execution_id: uuid.UUID, by: str | None, reason: str | None
) -> bool:
    """Cancel an execution that no worker holds; its message will find nothing to claim."""
    execution = models.execution
    moment = clock.now()
    statement = (
        sa.update(execution)
        .where(execution.id == execution_id, execution.status.in_(UNCLAIMED))
        .values(
            status=State.CANCELLED,
            finished_at=moment,
            cancel_requested_at=moment,
            cancelled_by=by,
            cancel_reason=reason,
        )
    )
    return _changed_one(session, statement)


def ask_to_cancel(
    session: Session, models: Models, execution_id: uuid.UUID, by: str | None, reason: str | None
) -> bool:
    """Ask the worker that runs the execution to stop; False if it was asked before."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.id == execution_id,
            execution.status == State.RUNNING,
            execution.cancel_requested_at.is_(None),
        )
        .values(cancel_requested_at=clock.now(), cancelled_by=by, cancel_reason=reason)
    )
    return _changed_one(session, statement)


def requeue(session: Session, models: Models, former: ExecutionMixin) -> bool:
    """Queue another attempt of an ended execution; finished steps stay finished."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.id == former.id,
            execution.attempt == former.attempt,
            execution.status == former.status,
            execution.status.in_(REPEATABLE),
        )
        .values(
            status=State.QUEUED,
            attempt=former.attempt + 1,
            queued_at=clock.now(),
            finished_at=None,
            error=None,
            cancel_requested_at=None,
            cancelled_by=None,
            cancel_reason=None,
        )
    )
    return _changed_one(session, statement)


def withdraw(session: Session, models: Models, execution_id: uuid.UUID) -> bool:
    """Forget an execution whose message could not be sent; False if it arrived after all."""
    execution, event = models.execution, models.event
    # The condition is checked by the first statement, which also locks the row.
    doomed = (
        execution.id == execution_id,
        execution.attempt == 1,
        execution.status == State.QUEUED,
    )
    touch = sa.update(execution).where(*doomed).values(token=None)
    if not _changed_one(session, touch):
        return False
    session.execute(sa.delete(event).where(event.execution_id == execution_id))
    return _changed_one(session, sa.delete(execution).where(*doomed))


def withdraw_requeue(session: Session, models: Models, former: ExecutionMixin) -> bool:
    """Undo :func:`requeue` after its message could not be sent; False if it arrived after all."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.id == former.id,
            execution.attempt == former.attempt + 1,
            execution.status == State.QUEUED,
        )
        .values(
            status=former.status,
            attempt=former.attempt,
            queued_at=former.queued_at,
            finished_at=former.finished_at,
            error=former.error,
            cancel_requested_at=former.cancel_requested_at,
            cancelled_by=former.cancelled_by,
            cancel_reason=former.cancel_reason,
        )
    )
    return _changed_one(session, statement)


def held(execution: type[ExecutionMixin], claim: Claim) -> sa.ColumnElement[bool]:
    """Return the condition that the claim holds."""
    return sa.and_(
        execution.id == claim.execution_id,
        execution.token == claim.token,
        execution.status == State.RUNNING,
    )


def _changed_one(session: Session, statement: sa.Update | sa.Delete) -> bool:
    options = {"synchronize_session": False}
    result = t.cast("sa.CursorResult[t.Any]", session.execute(statement, execution_options=options))
    return result.rowcount == 1
