"""Status transitions of executions that need no lease. Those of workers are in :mod:`.leases`.

Each transition is one conditional UPDATE that names the status it expects. It returns False if it
found no such row: another process was faster, and the caller must not go on.

::

    queued ──acquire──▶ running ──finish──▶ completed, failed, cancelled, timed_out
      ▲ ▲ ▲                │ │
      │ │ └──release───────┘ └──schedule_retry──▶ retrying
      │ └──requeue_due_retry─────────────────────────┘
      └──requeue (a user asked)── failed, cancelled, timed_out

    running ──wait_for_input──▶ waiting_input ──queue_answered──▶ queued

    queued, retrying, waiting_input ──cancel_pending──▶ cancelled
                                    ──expire_pending──▶ timed_out
"""

from __future__ import annotations

import datetime as dt
import functools
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
from .failures import error_columns
from .input_withdrawal import has_open_requests
from .input_withdrawal import withdraw_open
from .outbox import withdraw_queued


class Cancellation(t.NamedTuple):
    """Who asks to cancel an execution, and why, as its owner will see it."""

    by: str | None
    reason: str | None


def cancel_pending(
    session: Session, models: Models, execution_id: uuid.UUID, cancellation: Cancellation
) -> bool:
    """Cancel an execution that is not running; its message will find nothing to claim."""
    execution = models.execution
    statement = (
        sa.update(execution)
        .where(execution.id == execution_id, has_status(execution, *UNCLAIMED))
        .values(
            status=ExecutionStatus.CANCELLED,
            available_at=None,  # no other attempt follows
            finished_at=database_clock.now(),
            **_waited(execution),
            **_cancellation_values(cancellation),
        )
    )
    if not update_one(session, statement):
        return False
    withdraw_open(session, models, execution_id)
    return True


def request_cancellation(
    session: Session, models: Models, execution_id: uuid.UUID, cancellation: Cancellation
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
        .values(**_cancellation_values(cancellation))
    )
    return update_one(session, statement)


def _waited(execution: type[ExecutionMixin]) -> dict[str, t.Any]:
    """Return the columns of an execution that does not wait for people any more."""
    now = sa.func.coalesce(database_clock.seconds_since(execution.waiting_since), 0.0)
    return {"waiting_since": None, "waited_seconds": execution.waited_seconds + now}


def _cancellation_values(cancellation: Cancellation) -> dict[str, t.Any]:
    return {
        "cancel_requested_at": database_clock.now(),
        "cancelled_by": cancellation.by,
        "cancel_reason": cancellation.reason,
    }


def expire_pending(
    session: Session, models: Models, execution_id: uuid.UUID, error: dict[str, t.Any]
) -> bool:
    """End an execution that is not running and whose deadline has passed."""
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
            finished_at=database_clock.now(),
            **error_columns(error),
        )
    )
    if not update_one(session, statement):
        return False
    withdraw_open(session, models, execution_id)
    return True


def requeue_due_retry(
    session: Session, models: Models, execution_id: uuid.UUID, attempt: int
) -> bool:
    """Queue a retrying execution that is due; the fair scheduler releases it."""
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
            queued_at=database_clock.now(),
            urgency=execution.priority,
        )
    )
    return update_one(session, statement)


class QueuedAgain(t.NamedTuple):
    """An execution that people have answered."""

    last_event: int
    """Number of its last event, which the caller has to add."""
    attempt: int
    database_time: dt.datetime


def queue_answered(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    new_events: int,
    *,
    even_if_open: bool = False,
) -> QueuedAgain | None:
    """Queue an execution that waits for people, if none of its input requests is open any more.

    The fair scheduler releases it. The caller has locked it. Tokens that it has used on earlier
    days do not count for the quota of this day.

    :param new_events: how many events the caller adds.
    :param even_if_open: whether it is queued although a request is open.
    :return: None if nothing was changed.
    """
    given = {"of_execution": execution_id, "today": clock.midnight(), "count": new_events}
    options = {"synchronize_session": False}
    statement = _queue_answered_statement(models, even_if_open)
    row = session.execute(statement, given, execution_options=options).one_or_none()
    return None if row is None else QueuedAgain(row[0], row[1], clock.as_utc(row[2]))


@functools.lru_cache(maxsize=8)
def _queue_answered_statement(
    models: Models, even_if_open: bool
) -> ReturningUpdate[int, int, dt.datetime]:
    execution, id = models.execution, sa.bindparam("of_execution", type_=sa.Uuid)
    today = sa.bindparam("today", type_=execution.queued_at.type)
    tokens = execution.prompt_tokens + execution.completion_tokens
    return (
        sa.update(execution)
        .where(
            execution.id == id,
            has_status(execution, ExecutionStatus.WAITING_INPUT),
            sa.true() if even_if_open else sa.not_(has_open_requests(models, id)),
        )
        .values(
            status=ExecutionStatus.QUEUED,
            former_tokens=sa.case(
                (execution.queued_at < today, tokens), else_=execution.former_tokens
            ),
            **_waited(execution),
            published_at=None,
            on_hold=True,
            queued_at=database_clock.now(),
            urgency=execution.priority,
            last_event=execution.last_event + sa.bindparam("count", type_=sa.Integer),
        )
        .returning(execution.last_event, execution.attempt, database_clock.now())
    )


def mark_published(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    attempt: int,
    *conditions: sa.ColumnElement[bool],
) -> bool:
    """Store that a message is sent for a queued attempt, if the *conditions* are also true."""
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
    priority: int,
    on_hold: bool,
    **changes: float | str | None,
) -> bool:
    """Queue another attempt of an execution that has ended; completed steps stay completed."""
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
            queued_at=database_clock.now(),
            urgency=priority,
            priority=priority,
            published_at=None if on_hold else database_clock.now(),
            on_hold=on_hold,
            **dict.fromkeys(_END_COLUMNS),
            **dict.fromkeys(_RETRY_COUNTERS, 0),
            **changes,
        )
    )
    return update_one(session, statement)


_END_COLUMNS: t.Final = (
    "finished_at",
    "error",
    "error_code",
    "deadline",
    "seconds_left",
    "cancel_requested_at",
    "cancelled_by",
    "cancel_reason",
)
_RETRY_COUNTERS: t.Final = ("retries", "lost_attempts")
_REQUEST_CONTEXT: t.Final = ("request_id", "traceparent")
_RUN_LIMITS: t.Final = ("timeout", "max_llm_calls", "max_tool_calls", "max_tokens")


def delete_unpublished(
    session: Session, models: Models, execution_id: uuid.UUID, *, on_hold: bool = False
) -> bool:
    """Delete a new execution whose message could not be sent, or one that is *on_hold*.

    :return: False if the message arrived after all, if it was released, if somebody was told of it,
        or if another submission with the same idempotency key may have been answered with it.
    """
    execution = models.execution
    not_shared = sa.or_(execution.idempotency_key.is_(None), execution.published_at.is_(None))
    # The first statement checks the conditions and also locks the row.
    is_unpublished = (
        execution.id == execution_id,
        execution.attempt == 1,
        has_status(execution, ExecutionStatus.QUEUED),
        execution.on_hold.is_(on_hold),  # otherwise it was released, or a worker has it
        not_shared,
    )
    lock = sa.update(execution).where(*is_unpublished).values(token=None)
    if not update_one(session, lock) or not withdraw_queued(session, models, execution_id):
        return False
    for child in (models.event, models.step):  # a fork has steps already
        session.execute(sa.delete(child).where(child.execution_id == execution_id))
    return update_one(session, sa.delete(execution).where(*is_unpublished))


def revert_requeue(session: Session, models: Models, former: ExecutionMixin) -> bool:
    """Undo :func:`requeue` after its message could not be sent.

    :return: False if it arrived after all, or if somebody was told of it.
    """
    execution = models.execution
    restored = (
        "status",
        "attempt",
        "queued_at",
        "priority",
        "urgency",
        "published_at",
        *_END_COLUMNS,
        *_RETRY_COUNTERS,
        *_REQUEST_CONTEXT,
        *_RUN_LIMITS,
    )
    is_requeued = (
        execution.id == former.id,
        execution.attempt == former.attempt + 1,
        has_status(execution, ExecutionStatus.QUEUED),
    )
    lock = sa.select(execution.id).where(*is_requeued).with_for_update()
    if session.scalar(lock) is None or not withdraw_queued(session, models, former.id):
        return False
    statement = sa.update(execution).where(*is_requeued)
    return update_one(session, statement.values({name: getattr(former, name) for name in restored}))


def update_one(
    session: Session,
    statement: sa.Update | sa.Delete,
    parameters: Mapping[str, t.Any] | None = None,
) -> bool:
    """Execute *statement* and return whether it changed one row (compare and set)."""
    options = {"synchronize_session": False}
    result = session.execute(statement, parameters, execution_options=options)
    return t.cast("sa.CursorResult[t.Any]", result).rowcount == 1
