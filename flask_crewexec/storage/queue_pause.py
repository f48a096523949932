"""The pause of the queue of executions: while it lasts, no attempt starts.

It is part of the installation's row, so it survives the broker and all processes. Statements that
start or release attempts contain :func:`is_paused`, so no late message can start one. An attempt
whose start is being committed at that moment may still start.
"""

from __future__ import annotations

import datetime as dt
import functools
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from .. import clock
from ..app_state import AppState
from ..models import Models
from ..models import table_of
from ..statuses import ExecutionStatus
from ..statuses import has_status
from . import database_clock
from .transitions import update_one


class QueuePause(t.NamedTuple):
    """A pause that lasts."""

    since: dt.datetime
    by: str | None
    """Who has paused the queue; None if that is not known."""
    reason: str | None


def is_paused(models: Models) -> sa.ColumnElement[bool]:
    """Return the condition that the queue is paused."""
    installation = table_of(models.installation)
    return sa.exists(sa.select(sa.literal_column("1")).where(installation.c.paused_at.is_not(None)))


def pause(session: Session, models: Models, by: str | None, reason: str | None) -> bool:
    """Pause the queue; False if it is paused already. The installation must have its row."""
    installation = models.installation
    statement = sa.update(installation).where(installation.paused_at.is_(None))
    values = {"paused_at": database_clock.now(), "paused_by": by, "pause_reason": reason}
    return update_one(session, statement.values(values))


def resume(session: Session, models: Models) -> bool:
    """End the pause; False if there is none."""
    installation = models.installation
    statement = sa.update(installation).where(installation.paused_at.is_not(None))
    names = ("paused_at", "paused_by", "pause_reason")
    return update_one(session, statement.values(dict.fromkeys(names)))


def read_pause(app_state: AppState) -> QueuePause | None:
    """Return the pause; None if the queue is not paused."""
    row = app_state.models.installation
    query = sa.select(row.paused_at, row.paused_by, row.pause_reason)
    with app_state.database.read_session() as session:
        found = session.execute(query.where(row.paused_at.is_not(None))).one_or_none()
    if found is None or found.paused_at is None:
        return None
    return QueuePause(clock.as_utc(found.paused_at), found.paused_by, found.pause_reason)


def hold_if_paused(
    session: Session, models: Models, execution_id: uuid.UUID, attempt: int
) -> str | None:
    """Put a queued attempt on hold whose message came during a pause.

    :return: the id of its owner; None if there is no pause, or no such attempt.
    """
    statement = _hold_statement(models)
    given = {"of_execution": execution_id, "of_attempt": attempt}
    options = {"synchronize_session": False}
    return session.execute(statement, given, execution_options=options).scalar_one_or_none()


@functools.lru_cache(maxsize=8)
def _hold_statement(models: Models) -> ReturningUpdate[str]:
    execution = models.execution
    return (
        sa.update(execution)
        .where(
            execution.id == sa.bindparam("of_execution", type_=sa.Uuid),
            execution.attempt == sa.bindparam("of_attempt", type_=sa.Integer),
            has_status(execution, ExecutionStatus.QUEUED),
            is_paused(models),
        )
        .values(on_hold=True, published_at=None)
        .returning(execution.owner_id)
    )
