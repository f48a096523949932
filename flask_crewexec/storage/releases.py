"""Release executions that are on hold: mark them as published before their messages are sent."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from ..models import Models
from ..statuses import ExecutionStatus
from ..statuses import has_status
from . import database_clock
from .ownership import owned_by


def release_statement(
    models: Models,
    user: sa.BindParameter[str],
    urgency: sa.BindParameter[int],
    *conditions: sa.ColumnElement[bool],
) -> ReturningUpdate[t.Any]:
    """Return the statement of :func:`release_held`, for callers to build once.

    :param conditions: further conditions that must be true when the statement runs.
    """
    execution = models.execution
    on_hold = (
        owned_by(execution, user),
        has_status(execution, ExecutionStatus.QUEUED),
        execution.on_hold.is_(True),
        execution.urgency == urgency,
    )
    first = sa.select(execution.id).where(*on_hold).order_by(execution.queued_at, execution.id)
    statement = (
        sa.update(execution)
        .where(execution.id.in_(first.limit(sa.bindparam("count", type_=sa.Integer))))
        .where(*on_hold, *conditions)
        .values(on_hold=False, published_at=database_clock.now())
    )
    returned: list[t.Any] = [execution.id, execution.attempt, execution.queued_at]
    return statement.returning(*returned)


class ReleasedAttempt(t.NamedTuple):
    """An attempt for which a message is to be sent."""

    execution_id: uuid.UUID
    attempt: int


def release_held(
    session: Session | sa.Connection,
    statement: ReturningUpdate[t.Any],
    count: int,
    values: dict[str, t.Any],
) -> list[ReleasedAttempt]:
    """Release the first *count* executions of a user that are on hold, and mark them published.

    :param statement: a :func:`release_statement`, whose other parameters are *values*.
    :return: the attempts, oldest first, without those that another process has released at the
        same time.
    """
    options = {"synchronize_session": False}
    rows = session.execute(statement, {"count": count, **values}, execution_options=options)
    return [ReleasedAttempt(row.id, row.attempt) for row in sorted(rows, key=_turn)]


def _turn(row: sa.Row[t.Any]) -> tuple[dt.datetime, uuid.UUID]:
    return row.queued_at, row.id
