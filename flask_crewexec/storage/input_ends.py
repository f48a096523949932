"""Ends of input requests: people answer them, or they expire.

An execution goes on when nothing that it asks is open any more, or when an end lets it fail, since
other answers would be in vain.

Each change locks the row of the execution first, so answers, cancellation, expiry and the pause of
a run happen one after the other. A request is ended by one conditional UPDATE.
"""

from __future__ import annotations

import datetime as dt
import functools
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from .. import clock
from ..app_state import AppState
from ..models import InputRequestMixin
from ..models import Models
from ..statuses import Decision
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..statuses import InputKind
from ..statuses import InputStatus
from . import database_clock
from . import event_log
from .input_requests import is_expired
from .new_event import NewEvent
from .transitions import queue_answered
from .transitions import QueuedAgain

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
    """End an open request; if its execution can go on, or fails of it, queue that.

    :return: False, with nothing changed, if it has ended before, or cannot end in this way now.
    """
    return end_all(session, app_state, [(found, ended)])[0]


def end_all(
    session: Session, app_state: AppState, ends: Sequence[tuple[InputRequestMixin, Ended]]
) -> list[bool]:
    """End open requests of one execution, as :func:`end` does; return for each what that does.

    The requests that are ended get the new values, too.
    """
    models, id = app_state.models, ends[0][0].execution_id
    state = _lock(session, models, id)
    if state is None:
        return [False] * len(ends)  # it was purged
    are_ended = [_store_end(session, models, *pair) for pair in ends]
    new = [pair for pair, is_ended in zip(ends, are_ended, strict=True) if is_ended]
    if new:
        fails = any(_lets_run_fail(*pair) for pair in new)
        queued = queue_answered(session, models, id, len(new) + 1, even_if_open=fails)
        after = state if queued is None else state._replace(status=ExecutionStatus.QUEUED)
        events = [_event(each, ended, after) for each, ended in new]
        if queued is None:
            event_log.append(session, app_state, id, events)
        else:
            _add_events(session, app_state, id, queued, events)
    return are_ended


def queue_if_answered(
    session: Session, app_state: AppState, execution_id: uuid.UUID, since: dt.datetime
) -> None:
    """Queue an execution that has just begun to wait, if people have answered everything.

    :param since: when its attempt began, by the database's clock. An end after that is not known
        to the run, and may let it fail.
    """
    models = app_state.models
    given = {"of_execution": execution_id, "since": since}
    fails = session.execute(_failing_query(models), given).first() is not None
    queued = queue_answered(session, models, execution_id, 1, even_if_open=fails)
    if queued is not None:
        _add_events(session, app_state, execution_id, queued, [])


def _lets_run_fail(request: InputRequestMixin, ended: Ended) -> bool:
    """Return whether the execution fails of an end, whatever else is answered."""
    if ended.decision is None:
        return True
    return request.kind == InputKind.REVIEW and ended.decision == Decision.REJECT


@functools.lru_cache(maxsize=8)
def _failing_query(models: Models) -> sa.Select[uuid.UUID]:
    """Return the query for requests of which :func:`_lets_run_fail` is true."""
    request = models.input_request
    since = sa.bindparam("since", type_=request.answered_at.type)
    rejected = sa.and_(
        request.kind == InputKind.REVIEW,
        request.decision == Decision.REJECT,
        has_status(request, InputStatus.ANSWERED, InputStatus.EXPIRED),
    )
    too_late = sa.and_(request.decision.is_(None), has_status(request, InputStatus.EXPIRED))
    return sa.select(request.id).where(
        request.execution_id == sa.bindparam("of_execution", type_=sa.Uuid),
        request.answered_at >= since,
        sa.or_(rejected, too_late),
    )


def _add_events(
    session: Session,
    app_state: AppState,
    execution_id: uuid.UUID,
    queued: QueuedAgain,
    events: Sequence[NewEvent],
) -> None:
    """Add *events* and that the execution was queued."""
    all_events = [*events, NewEvent("queued", {"attempt": queued.attempt})]
    dated = [event.at(queued.database_time) for event in all_events]
    event_log.insert_numbered(session, app_state, execution_id, dated, queued.last_event)


class _State(t.NamedTuple):
    """An execution whose row is locked."""

    status: str
    now: dt.datetime
    """By the database's clock."""


def _lock(session: Session, models: Models, id: uuid.UUID) -> _State | None:
    row = session.execute(_lock_query(models), {"of_execution": id}).one_or_none()
    return None if row is None else _State(row[0], clock.as_utc(row[1]))


@functools.lru_cache(maxsize=8)
def _lock_query(models: Models) -> sa.Select[str, dt.datetime]:
    # Cached, as the other statements here: building them takes longer than running them.
    execution, id = models.execution, sa.bindparam("of_execution", type_=sa.Uuid)
    query = sa.select(execution.status, database_clock.now()).where(execution.id == id)
    return query.with_for_update()


def _store_end(session: Session, models: Models, found: InputRequestMixin, ended: Ended) -> bool:
    values = {
        "status": ended.status.value,
        "decision": ended.decision,
        "answer": ended.answer,
        "answered_by": ended.by,
        "bypassed": ended.bypassed,
        "link_issued_by": ended.link_issued_by,
    }
    statement = _end_statement(models, expires=ended.status == InputStatus.EXPIRED)
    given = {"of_request": found.id, **{f"new_{name}": value for name, value in values.items()}}
    options = {"synchronize_session": False}
    row = session.execute(statement, given, execution_options=options).one_or_none()
    if row is None:
        return False
    for name, value in {**values, "answered_at": row.answered_at}.items():
        setattr(found, name, value)
    return True


@functools.lru_cache(maxsize=16)
def _end_statement(models: Models, *, expires: bool) -> ReturningUpdate[t.Any]:
    request = models.input_request
    expired = sa.func.coalesce(is_expired(request), sa.false())
    in_time = expired if expires else sa.not_(expired)
    is_open = has_status(request, InputStatus.OPEN)
    names = ("status", "decision", "answer", "answered_by", "bypassed", "link_issued_by")
    return (
        sa.update(request)
        .where(request.id == sa.bindparam("of_request", type_=sa.Uuid), is_open, in_time)
        .values(
            answered_at=database_clock.now(),
            **{name: sa.bindparam(f"new_{name}") for name in names},
        )
        .returning(request.answered_at)
    )


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
