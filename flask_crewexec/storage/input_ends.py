"""Ends of input requests: people answer them, or they expire.

Each change locks the row of the execution first, so answers, cancellation, expiry and the pause of
a run happen one after the other. A request is ended by one conditional UPDATE.
"""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import clock
from ..app_state import AppState
from ..models import ExecutionMixin
from ..models import InputRequestMixin
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..statuses import InputStatus
from . import database_clock
from . import event_log
from .input_requests import is_expired
from .new_event import NewEvent
from .transitions import queue_answered
from .transitions import update_one

Json = dict[str, t.Any]


class Ended(t.NamedTuple):
    """How a request ends."""

    status: InputStatus
    decision: str | None
    answer: Json | None = None
    by: str | None = None
    bypassed: bool = False
    """Whether it was a manager who was not asked."""
    link_issued_by: str | None = None
    """Who has issued the signed link with which they did."""


def end(session: Session, app_state: AppState, found: InputRequestMixin, ended: Ended) -> bool:
    """End an open request; if it was the last one that its execution waits for, queue that.

    :return: False, with nothing changed, if it has ended before, or cannot end in this way now.
    """
    return end_all(session, app_state, [(found, ended)])[0]


def end_all(
    session: Session, app_state: AppState, ends: Sequence[tuple[InputRequestMixin, Ended]]
) -> list[bool]:
    """End open requests of one execution, as :func:`end` does; return for each what that does."""
    models, id = app_state.models, ends[0][0].execution_id
    state = _lock(session, models.execution, id)
    if state is None:
        return [False] * len(ends)  # it was purged
    are_ended = [_store_end(session, models.input_request, each.id, ended) for each, ended in ends]
    new = [pair for pair, is_ended in zip(ends, are_ended, strict=True) if is_ended]
    if new:
        is_queued = queue_answered(session, models, id)
        after = state._replace(status=ExecutionStatus.QUEUED) if is_queued else state
        events = [_event(each, ended, after) for each, ended in new]
        event_log.append(
            session, app_state, id, [*events, *([_queued(state.attempt)] if is_queued else [])]
        )
    return are_ended


def queue_if_answered(session: Session, app_state: AppState, execution_id: uuid.UUID) -> None:
    """Queue an execution that has just begun to wait, if people have answered everything."""
    if queue_answered(session, app_state.models, execution_id):
        execution = app_state.models.execution
        attempt = sa.select(execution.attempt).where(execution.id == execution_id)
        event_log.append(
            session, app_state, execution_id, [_queued(session.scalars(attempt).one())]
        )


class _State(t.NamedTuple):
    """An execution whose row is locked."""

    status: str
    attempt: int
    now: dt.datetime
    """By the database's clock."""


def _lock(session: Session, execution: type[ExecutionMixin], id: uuid.UUID) -> _State | None:
    columns = (execution.status, execution.attempt, database_clock.now())
    query = sa.select(*columns).where(execution.id == id).with_for_update()
    row = session.execute(query).one_or_none()
    return None if row is None else _State(row[0], row[1], clock.as_utc(row[2]))


def _store_end(
    session: Session, request: type[InputRequestMixin], id: uuid.UUID, ended: Ended
) -> bool:
    expired = sa.func.coalesce(is_expired(request), sa.false())
    in_time = expired if ended.status == InputStatus.EXPIRED else sa.not_(expired)
    statement = sa.update(request).where(
        request.id == id, has_status(request, InputStatus.OPEN), in_time
    )
    return update_one(
        session,
        statement.values(
            status=ended.status,
            decision=ended.decision,
            answer=ended.answer,
            answered_by=ended.by,
            bypassed=ended.bypassed,
            link_issued_by=ended.link_issued_by,
            answered_at=database_clock.now(),
        ),
    )


def _queued(attempt: int) -> NewEvent:
    return NewEvent("queued", {"attempt": attempt})


def _event(found: InputRequestMixin, ended: Ended, after: _State) -> NewEvent:
    opened = clock.as_utc(found.created_at)
    data = {
        "request": str(found.id),
        "step": found.step_name,
        "decision": ended.decision,
        "seconds": max(0.0, (after.now - opened).total_seconds()),
        "then": after.status,
    }
    if ended.status == InputStatus.EXPIRED:
        return NewEvent("input_expired", {**data})
    return NewEvent("input_answered", {**data, "by": ended.by, "bypassed": ended.bypassed})


def read_expired(app_state: AppState, limit: int) -> Sequence[InputRequestMixin]:
    """Return open requests that have expired, oldest first."""
    request = app_state.models.input_request
    query = sa.select(request).where(has_status(request, InputStatus.OPEN), is_expired(request))
    with app_state.database.read_session() as session:
        return session.scalars(query.order_by(request.expires_at).limit(limit)).all()
