"""Reconciler: repairs what lost messages, dead workers and dead web servers have left.

Each change is one transaction that checks its own preconditions, so any number of reconcilers may
run at the same time, and one that is killed leaves nothing half done.
"""

from __future__ import annotations

import datetime as dt
import logging
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..messaging.broker import queue_depths
from ..models import ExecutionMixin
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..storage import database_clock
from ..storage import event_log
from ..storage import leases
from ..storage import transitions
from ..storage.failures import DEADLINE_EXCEEDED
from ..storage.fencing import Lease
from ..storage.new_event import NewEvent
from .attempt_outcomes import after_worker_loss
from .attempt_outcomes import AttemptCounters
from .attempt_outcomes import AttemptOutcome
from .attempt_outcomes import OutcomeKind
from .delivery import republish
from .fair_scheduler import release_all_users
from .input_expiry import expire_inputs
from .priority_aging import raise_urgency

log = logging.getLogger(__name__)


class _Candidate(t.NamedTuple):
    """An execution that may need a change."""

    id: uuid.UUID
    attempt: int
    token: uuid.UUID
    """Of the current or last lease; meaningless for executions that are not running."""
    worker: str | None


def reconcile(app_state: AppState) -> dict[str, int]:
    """Do one round of at most ``CREWEXEC_RECONCILE_BATCH_SIZE`` changes of each kind.

    :return: how many changes of each kind were made.
    """
    return {
        "taken_over": _recover_lost(app_state),
        "timed_out": _expire_overdue(app_state),
        "retried": _requeue_due_retries(app_state),
        "expired_inputs": expire_inputs(app_state),
        "republished": _republish_lost(app_state),
        "raised": raise_urgency(app_state),
        "released": release_all_users(app_state),
    }


def _recover_lost(app_state: AppState) -> int:
    """End executions of dead workers, or queue their next attempts."""
    with app_state.database.write_transaction() as session:
        leases.cap_leases(session, app_state.models, app_state.settings.lease_seconds)
    execution = app_state.models.execution
    query = sa.select(execution).where(leases.is_expired(execution))
    lost = _fetch_batch(app_state, query.order_by(execution.lease_expires_at))
    return _for_each(app_state, lost, _take_over)


def _take_over(app_state: AppState, row: _Candidate) -> bool:
    models = app_state.models
    with app_state.database.write_transaction() as session:
        lease = leases.take_over_expired(session, models, Lease(row.id, row.attempt, row.token))
        if lease is None:
            return False
        outcome = _decide_recovery(session, app_state, lease)
        _store_recovery(session, app_state, lease, outcome)
        event = NewEvent("worker_lost", {"worker": row.worker, "then": outcome.status})
        event_log.append(session, app_state, row.id, [event])
    log.warning("Worker %s lost execution %s, which is %s now.", row.worker, row.id, outcome.status)
    if outcome.kind is OutcomeKind.WORKER_LOST:
        republish(app_state, row.id)
    return True


def _decide_recovery(session: Session, app_state: AppState, lease: Lease) -> AttemptOutcome:
    """Return what follows for an execution that was taken over."""
    execution = app_state.models.execution
    overdue = sa.func.coalesce(execution.deadline < database_clock.now(), sa.false())
    row = session.execute(
        sa.select(
            execution.cancel_requested_at,
            execution.retries,
            execution.lost_attempts,
            overdue.label("overdue"),
        ).where(execution.id == lease.execution_id)
    ).one()
    return after_worker_loss(
        AttemptCounters(row.retries, row.lost_attempts),
        app_state.settings,
        cancel_requested=row.cancel_requested_at is not None,
        overdue=row.overdue,
    )


def _store_recovery(
    session: Session, app_state: AppState, lease: Lease, outcome: AttemptOutcome
) -> None:
    """End an execution that was taken over, or queue its next attempt."""
    models = app_state.models
    if outcome.kind is OutcomeKind.WORKER_LOST:
        leases.release_after_loss(session, models, lease)
        return
    failure = outcome.failure
    end = {} if failure is None else {"error": failure.as_error(lease.execution_id)}
    leases.finish(session, models, lease, outcome.status, **end)


def _expire_overdue(app_state: AppState) -> int:
    """Time out executions that wait for a worker or a retry beyond their deadline."""
    execution = app_state.models.execution
    # The condition of the partial index. Running executions are stopped by their workers.
    overdue = sa.and_(
        execution.finished_at.is_(None),
        sa.not_(has_status(execution, ExecutionStatus.RUNNING)),
        execution.deadline < database_clock.now(),
    )
    rows = _fetch_batch(app_state, sa.select(execution).where(overdue).order_by(execution.deadline))
    return _for_each(app_state, rows, _time_out)


def _time_out(app_state: AppState, row: _Candidate) -> bool:
    models = app_state.models
    with app_state.database.write_transaction() as session:
        error = DEADLINE_EXCEEDED.as_error(row.id)
        if not transitions.expire_pending(session, models, row.id, error):
            return False
        event_log.append(session, app_state, row.id, [NewEvent(ExecutionStatus.TIMED_OUT, {})])
    return True


def _requeue_due_retries(app_state: AppState) -> int:
    """Queue retries that are due, on hold, so that the fair scheduler releases them."""
    execution = app_state.models.execution
    due = sa.and_(
        has_status(execution, ExecutionStatus.RETRYING),
        execution.available_at <= database_clock.now(),
    )
    rows = _fetch_batch(app_state, sa.select(execution).where(due).order_by(execution.available_at))
    return _for_each(app_state, rows, _requeue_retry)


def _requeue_retry(app_state: AppState, row: _Candidate) -> bool:
    models = app_state.models
    with app_state.database.write_transaction() as session:
        if not transitions.requeue_due_retry(session, models, row.id, row.attempt):
            return False
        event = NewEvent("queued", {"attempt": row.attempt})
        event_log.append(session, app_state, row.id, [event])
    return True


def _republish_lost(app_state: AppState) -> int:
    """Send messages of queued executions again, as many as the broker has too few.

    Messages in a long queue are old but not lost, and duplicates would only make it longer.
    Executions with the oldest message come first, so that each gets one in the end. Messages of
    cancelled executions may hide that one is missing; the execution is then overtaken by others.
    """
    expected = _expected_messages(app_state)
    if not expected:
        return 0
    try:
        depths = queue_depths(app_state)[app_state.settings.execution_queue]
    except BrokerUnavailable:
        log.warning("The broker is unavailable; executions stay queued in the database.")
        return 0
    execution = app_state.models.execution
    # Another reconciler may have read the same rows; the second one finds that they have changed.
    is_old = _sent_before(execution, _republish_before(app_state))
    sent = 0
    for urgency, count in expected.items():
        missing = count - depths[urgency]
        left = app_state.settings.reconcile_batch_size - sent
        overtaken = () if missing > 0 else (_overtaken(execution, urgency),)
        ids = _unacknowledged(app_state, urgency, max(0, min(max(missing, 1), left)), *overtaken)
        sent += sum(republish(app_state, id, is_old) for id in ids)
    return sent


def _republish_before(app_state: AppState) -> sa.ColumnElement[dt.datetime]:
    """Return the SQL for the time before which a message may be lost."""
    return database_clock.seconds_from_now(-app_state.settings.republish_after)


def _expected_messages(app_state: AppState) -> dict[int, int]:
    """Return how many messages should wait, by urgency; empty if none was sent long ago."""
    execution = app_state.models.execution
    queued = sa.and_(has_status(execution, ExecutionStatus.QUEUED), execution.on_hold.is_(False))
    is_old = _sent_before(execution, _republish_before(app_state))
    any_old = sa.select(sa.exists().where(queued, is_old))
    counts = sa.select(execution.urgency, sa.func.count()).where(queued)
    with app_state.database.read_session() as session:
        if not session.scalar(any_old):
            return {}
        rows = session.execute(counts.group_by(execution.urgency).order_by(execution.urgency))
        return {urgency: count for urgency, count in rows}


def _unacknowledged(
    app_state: AppState, urgency: int, limit: int, *conditions: sa.ColumnElement[bool]
) -> Sequence[uuid.UUID]:
    """Return queued executions for which a message was sent long ago, or none."""
    execution = app_state.models.execution
    query = (
        sa.select(execution.id)
        .where(
            has_status(execution, ExecutionStatus.QUEUED),
            execution.on_hold.is_(False),
            execution.urgency == urgency,
            _sent_before(execution, _republish_before(app_state)),
            *conditions,
        )
        .order_by(execution.published_at.asc().nulls_first())
        .limit(limit)
    )
    with app_state.database.read_session() as session:
        return session.scalars(query).all()


def _overtaken(execution: type[ExecutionMixin], urgency: int) -> sa.ColumnElement[bool]:
    """Return the condition that a later message of the same urgency was claimed first.

    A message that was sent twice only seems to be later, so callers republish one at a time.
    """
    other = sa.orm.aliased(execution)
    claimed = sa.select(sa.func.max(other.published_at)).where(
        has_status(other, ExecutionStatus.RUNNING), other.urgency == urgency
    )
    is_earlier = execution.published_at < claimed.scalar_subquery()
    return sa.or_(execution.published_at.is_(None), is_earlier)


def _sent_before(
    execution: type[ExecutionMixin], moment: sa.ColumnElement[dt.datetime]
) -> sa.ColumnElement[bool]:
    return sa.or_(execution.published_at.is_(None), execution.published_at < moment)


def _for_each(
    app_state: AppState,
    rows: Sequence[_Candidate],
    action: Callable[[AppState, _Candidate], bool],
) -> int:
    """Return for how many *rows* the action was done; one that fails does not stop the others."""
    done = 0
    for row in rows:
        try:
            done += action(app_state, row)
        except Exception:
            log.exception("Could not reconcile execution %s; the next round retries.", row.id)
    return done


def _fetch_batch(app_state: AppState, query: sa.Select[t.Any]) -> Sequence[_Candidate]:
    """Return the first rows of a *query* of executions."""
    execution = app_state.models.execution
    columns = (execution.id, execution.attempt, execution.token, execution.worker)
    limited = query.with_only_columns(*columns).limit(app_state.settings.reconcile_batch_size)
    with app_state.database.read_session() as session:
        return [_Candidate._make(row) for row in session.execute(limited)]
