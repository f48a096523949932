"""The states of an execution, and each change of state that needs no worker.

Every change is one conditional UPDATE that says which state it expects; whoever changes no
row has lost the race and must not go on. What a worker changes is in :mod:`.claims`.

::

    queued ──claim──▶ running ──end──▶ completed, failed, cancelled, timed_out
      ▲ ▲                │ │
      │ └──release───────┘ └─release──▶ retrying
      ├─────────────start (it is due)──────┘
      └─requeue (a person asked)── failed, cancelled, timed_out

    queued, retrying, waiting_input ──cancel──▶ cancelled
                                    ──time out─▶ timed_out
"""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from .. import clock
from ..models import ExecutionMixin
from ..models import Models
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..statuses import RETRYABLE
from ..statuses import UNCLAIMED
from . import database_clock
from .ownership import owned_by


def cancel_pending(
    session: Session, models: Models, execution_id: uuid.UUID, by: str | None, reason: str | None
) -> bool:
    """Cancel an execution that no worker holds; its message will find nothing to claim."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(execution.id == execution_id, has_status(execution, *UNCLAIMED))
        .values(
            status=ExecutionStatus.CANCELLED,
            available_at=None,  # no attempt follows, so nobody is told of one
            finished_at=clock.now(),
            **_request(by, reason),
        )
    )
    return update_one(session, statement)


def request_cancellation(
    session: Session, models: Models, execution_id: uuid.UUID, by: str | None, reason: str | None
) -> bool:
    """Ask the worker that runs the execution to stop; False if it was asked before."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.id == execution_id,
            has_status(execution, ExecutionStatus.RUNNING),
            execution.cancel_requested_at.is_(None),
        )
        .values(**_request(by, reason))
    )
    return update_one(session, statement)


def _request(by: str | None, reason: str | None) -> dict[str, t.Any]:
    return {"cancel_requested_at": clock.now(), "cancelled_by": by, "cancel_reason": reason}


def expire_pending(
    session: Session, models: Models, execution_id: uuid.UUID, error: dict[str, t.Any]
) -> bool:
    """End an execution that no worker holds and whose deadline has passed."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.id == execution_id,
            has_status(execution, *UNCLAIMED),
            execution.deadline < database_clock.now(),
        )
        .values(
            status=ExecutionStatus.TIMED_OUT,
            available_at=None,
            finished_at=clock.now(),
            error=error,
        )
    )
    return update_one(session, statement)


def requeue_due_retry(
    session: Session, models: Models, execution_id: uuid.UUID, attempt: int
) -> bool:
    """Queue a retrying execution that is due."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.id == execution_id,
            execution.attempt == attempt,
            has_status(execution, ExecutionStatus.RETRYING),
            execution.available_at <= database_clock.now(),
        )
        .values(
            status=ExecutionStatus.QUEUED,
            available_at=None,
            published_at=None,
            on_hold=True,
            queued_at=clock.now(),
        )
    )
    return update_one(session, statement)


def release_statement(
    models: Models,
    user: sa.BindParameter[str],
    priority: sa.BindParameter[int],
    *conditions: sa.ColumnElement[bool],
) -> ReturningUpdate[t.Any]:
    """Return the statement of :func:`give_turns`, to be made once.

    :param conditions: what must hold at that moment, too.
    """
    execution = models.execution
    on_hold = (
        owned_by(execution, user),
        has_status(execution, ExecutionStatus.QUEUED),
        execution.on_hold.is_(True),
        execution.priority == priority,
    )
    first = sa.select(execution.id).where(*on_hold).order_by(execution.queued_at)
    statement = (
        sa.update(execution)
        .where(execution.id.in_(first.limit(sa.bindparam("count", type_=sa.Integer))))
        .where(*on_hold, *conditions)
        .values(on_hold=False, published_at=database_clock.now())
    )
    returned: list[t.Any] = [execution.id, execution.attempt, execution.queued_at]
    return statement.returning(*returned)


def release_held(
    session: Session, statement: ReturningUpdate[t.Any], count: int, values: dict[str, t.Any]
) -> list[t.Any]:
    """Note for the first *count* held executions of a user that messages are under way.

    :param statement: of :func:`turns_statement`, for which there are *values*.
    :return: the rows, with ``id`` and ``attempt``, that nobody else has got at the same moment.
    """
    options = {"synchronize_session": False}
    rows = session.execute(statement, {"count": count, **values}, execution_options=options)
    return sorted(rows, key=lambda row: row.queued_at)


def mark_published(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    attempt: int,
    *conditions: sa.ColumnElement[bool],
) -> bool:
    """Note that a message for a queued attempt is under way, if the *conditions* hold too."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.id == execution_id,
            execution.attempt == attempt,
            has_status(execution, ExecutionStatus.QUEUED),
            *conditions,
        )
        .values(published_at=database_clock.now())
    )
    return update_one(session, statement)


def requeue(
    session: Session,
    models: Models,
    former: ExecutionMixin,
    *,
    on_hold: bool,
    **others: float | str | None,
) -> bool:
    """Queue another attempt of an ended execution; finished steps stay finished."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(
            execution.id == former.id,
            execution.attempt == former.attempt,
            execution.status == former.status,
            has_status(execution, *RETRYABLE),
        )
        .values(
            status=ExecutionStatus.QUEUED,
            attempt=former.attempt + 1,
            queued_at=clock.now(),
            published_at=None if on_hold else database_clock.now(),
            on_hold=on_hold,
            **dict.fromkeys(_ENDING),
            **dict.fromkeys(_COUNTERS, 0),
            **others,
        )
    )
    return update_one(session, statement)


_ENDING: t.Final = (
    "finished_at",
    "error",
    "deadline",
    "cancel_requested_at",
    "cancelled_by",
    "cancel_reason",
)
_COUNTERS: t.Final = ("retries", "lost_attempts")
_ORIGIN: t.Final = ("request_id", "traceparent")
_LIMITS: t.Final = ("timeout", "max_llm_calls", "max_tokens")


def delete_unpublished(session: Session, models: Models, execution_id: uuid.UUID) -> bool:
    """Forget an execution whose message could not be sent.

    :return: False if it arrived after all, or if an order with the same key may have been
        answered with it since.
    """
    execution, event = models.execution, models.event
    unshared = sa.or_(execution.idempotency_key.is_(None), execution.published_at.is_(None))
    # The condition is checked by the first statement, which also locks the row.
    doomed = (
        execution.id == execution_id,
        execution.attempt == 1,
        has_status(execution, ExecutionStatus.QUEUED),
        execution.on_hold.is_(False),  # else a worker has read its message
        unshared,
    )
    touch = sa.update(execution).where(*doomed).values(token=None)
    if not update_one(session, touch):
        return False
    session.execute(sa.delete(event).where(event.execution_id == execution_id))
    return update_one(session, sa.delete(execution).where(*doomed))


def revert_requeue(session: Session, models: Models, former: ExecutionMixin) -> bool:
    """Undo :func:`requeue` after its message could not be sent; False if it arrived after all."""
    execution = models.execution
    restored = (
        "status",
        "attempt",
        "queued_at",
        "published_at",
        *_ENDING,
        *_COUNTERS,
        *_ORIGIN,
        *_LIMITS,
    )
    statement = (
        sa.update(execution)
        .where(
            execution.id == former.id,
            execution.attempt == former.attempt + 1,
            has_status(execution, ExecutionStatus.QUEUED),
        )
        .values({name: getattr(former, name) for name in restored})
    )
    return update_one(session, statement)


def update_one(
    session: Session,
    statement: sa.Update | sa.Delete,
    parameters: Mapping[str, t.Any] | None = None,
) -> bool:
    """Execute *statement* and return whether it found its row."""
    options = {"synchronize_session": False}
    result = session.execute(statement, parameters, execution_options=options)
    return t.cast("sa.CursorResult[t.Any]", result).rowcount == 1
