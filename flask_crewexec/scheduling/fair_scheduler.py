"""Fair scheduling between users: each user has only a few messages in the broker.

Redis does not know users, so a thousand messages of one user would all be delivered before the
next user's message. Therefore no more messages of a user wait at each urgency than workers have
free slots, but always at least one. All further executions are on hold: ``queued`` in the
database, without a message. When an execution is claimed or ends, the next one of its user is
released. Processes commit a change first and then look for executions to release, so of two
concurrent processes at least one sees the change of the other. Only a submission does not look if
its execution goes on hold behind others, which release it when they are claimed. The reconciler
cleans up after crashed processes.

If the host limits how many executions of a user run at once, those beyond the limit are on hold,
too. While the queue is paused, everything is put on hold, and nothing is released.
"""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Iterable

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from ..app_state import AppState
from ..config.per_user_limits import resolve_limit
from ..errors import BrokerUnavailable
from ..messaging.publishing import publish_attempt
from ..models import ExecutionMixin
from ..per_app import AppLocal
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..storage import database_clock
from ..storage import releases
from ..storage.cte_writes import lock_timeout_guard
from ..storage.cte_writes import supports_cte_writes
from ..storage.ownership import owned_by
from ..storage.queue_pause import is_paused
from ..storage.releases import ReleasedAttempt
from ..storage.workers import worker_slots
from .running_count import count_running_sql
from .running_count import remember_running
from .running_count import running_parameters
from .running_count import running_sql

log = logging.getLogger(__name__)

Columns = list[sa.Label[t.Any]]
Values = dict[str, t.Any]

_USER: t.Final = sa.bindparam("for_user", type_=sa.String)
_URGENCY: t.Final = sa.bindparam("at_urgency", type_=sa.Integer)


class SlotCounts(t.NamedTuple):
    """How many messages of a user wait at an urgency, and how many more may be sent."""

    published: int
    """Messages that wait."""
    worker_slots: int
    """How many executions the workers can run at once."""
    running: int
    """Executions of all users that run."""
    busy: int | None
    """Executions of the user that run, or have a message that is at least as urgent; None if the
    host has set no limit of running executions."""

    @classmethod
    def from_row(cls, row: sa.RowMapping) -> t.Self:
        """Read the :func:`_slot_columns` of a row."""
        return cls(row["published"], row["worker_slots"], row["running"], row.get("busy"))


class SchedulerState(t.NamedTuple):
    """What decides whether a message may be sent for an execution that is about to be queued."""

    must_wait: bool
    """Whether an execution of the user that is at least as urgent is on hold, or the queue is
    paused."""
    slots: SlotCounts

    @classmethod
    def from_row(cls, row: sa.RowMapping) -> t.Self:
        """Read the :func:`scheduler_columns` of a row."""
        return cls(row["must_wait"], SlotCounts.from_row(row))


class _Statements:
    """Statements that run for each execution; building them takes longer than running them."""

    def __init__(self, app: Flask) -> None:
        app_state = app.extensions["crewexec"]
        self.most_urgent = _most_urgent(app_state)
        published, slots, running, *_ = (
            column.element for column in _slot_columns(app_state, _URGENCY)
        )
        conditions = [
            sa.or_(published < 1, published < slots - running),
            sa.not_(is_paused(app_state.models)),
        ]
        self.is_single = supports_cte_writes(app_state)
        """Whether the statement that releases executions needs no transaction around it."""
        if self.is_single:
            conditions.append(lock_timeout_guard())
        self.release = releases.release_statement(app_state.models, _USER, _URGENCY, *conditions)


_statements: t.Final = AppLocal(_Statements)


def scheduler_columns(app_state: AppState) -> Columns:
    """Return the columns of a :class:`SchedulerState`, as part of one SELECT."""
    execution = app_state.models.execution
    ahead = sa.exists().where(_queued(execution, on_hold=True), execution.urgency <= _URGENCY)
    must_wait = sa.or_(ahead, is_paused(app_state.models))
    return [must_wait.label("must_wait"), *_slot_columns(app_state, _URGENCY)]


def scheduler_parameters(owner_id: str, urgency: int) -> Values:
    """Return the parameters of the :func:`scheduler_columns`."""
    return {_USER.key: owner_id, _URGENCY.key: urgency, **running_parameters()}


def may_publish(app_state: AppState, owner_id: str, state: SchedulerState) -> bool:
    """Return whether a message may be sent for an execution that is about to be queued.

    Concurrent submissions may each send one message too many.
    """
    if state.must_wait:
        return False
    return _free_slots_of_user(app_state, owner_id, state.slots) > 0


def may_publish_sql(
    columns: ReadOnlyColumnCollection[str, t.Any],
) -> sa.ColumnElement[bool]:
    """Return :func:`may_publish` as SQL for PostgreSQL, for hosts without a limit per user.

    :param columns: the :func:`scheduler_columns` of a subquery; each is evaluated once.
    """
    return sa.and_(sa.not_(columns.must_wait), _has_room(columns))


def may_release_sql(columns: ReadOnlyColumnCollection[str, t.Any]) -> sa.ColumnElement[bool]:
    """Return the SQL for whether to look for others to release after one was put on hold.

    If it is the first on hold, the message ahead of it may have been claimed before it was
    committed. All others are released when those ahead of them are claimed.

    :param columns: the :func:`scheduler_columns` of a subquery.
    """
    return sa.or_(sa.not_(columns.must_wait), _has_room(columns))


def _has_room(columns: ReadOnlyColumnCollection[str, t.Any]) -> sa.ColumnElement[bool]:
    may_have = sa.func.greatest(1, columns.worker_slots - columns.running)
    return t.cast("sa.ColumnElement[bool]", columns.published < may_have)


def release_next(app_state: AppState, owner_id: str) -> None:
    """Release the next executions of a user, and log what prevents it.

    The change that led here is committed, so nothing is raised; the reconciler does the rest.
    """
    try:
        release_next_or_raise(app_state, owner_id)
    except BrokerUnavailable:
        log.warning("The broker is unavailable; executions of '%s' stay queued.", owner_id)
    except Exception:
        log.warning(
            "Could not release executions of '%s'; the reconciler tries again.",
            owner_id,
            exc_info=True,
        )


def release_next_or_raise(app_state: AppState, owner_id: str) -> int:
    """Release the next executions of a user; return how many messages were sent.

    :raises BrokerUnavailable: if the broker did not accept all of them; they are sent later.
    """
    with app_state.database.autocommit_connection() as connection:
        query, parameters = _statements.current().most_urgent, running_parameters()
        found = connection.execute(query, {_USER.key: owner_id, **parameters})
        row = found.mappings().one_or_none()
    if row is None:
        return 0
    remember_running(row["running"], parameters)
    urgency = row["urgency"]
    free = _free_slots_of_user(app_state, owner_id, SlotCounts.from_row(row))
    if free <= 0:
        return 0
    released = _release(app_state, owner_id, urgency, free)
    for each in released:
        publish_attempt(app_state, each.execution_id, each.attempt, urgency)
    return len(released)


def _release(
    app_state: AppState, owner_id: str, urgency: int, free_slots: int
) -> list[ReleasedAttempt]:
    """Mark held executions as published, unless another process has just used the free slots."""
    parameters = scheduler_parameters(owner_id, urgency)
    count = min(free_slots, app_state.settings.reconcile_batch_size)
    statements, database = _statements.current(), app_state.database
    if statements.is_single:
        with database.autocommit_connection() as connection:
            return releases.release_held(connection, statements.release, count, parameters)
    with database.write_transaction() as session:
        return releases.release_held(session, statements.release, count, parameters)


def release_all_users(app_state: AppState) -> int:
    """Release executions of users with free slots: at most ``CREWEXEC_RECONCILE_BATCH_SIZE``."""
    with app_state.database.read_session() as session:
        owner_ids = session.scalars(_users_with_free_slots(app_state)).all()
    return release_users(app_state, owner_ids)


def release_users(app_state: AppState, owner_ids: Iterable[str]) -> int:
    """Release executions of these users; a failure leaves them to the next round."""
    sent = 0
    for owner_id in dict.fromkeys(owner_ids):
        try:
            sent += release_next_or_raise(app_state, owner_id)
        except BrokerUnavailable:
            log.warning("The broker is unavailable; executions stay on hold.")
            break
        except Exception:
            log.exception("Could not release executions of '%s'; the next round retries.", owner_id)
    return sent


def max_running_of(app_state: AppState, owner_id: str) -> int | None:
    """Return how many executions of a user may run at once; None if there is no limit."""
    limit = app_state.settings.max_running_per_user
    return resolve_limit("CREWEXEC_MAX_RUNNING_PER_USER", limit, owner_id)


def _free_slots_of_user(app_state: AppState, owner_id: str, slots: SlotCounts) -> int:
    """Return how many more messages may be sent for the user."""
    free = max(1, slots.worker_slots - slots.running) - slots.published
    max_running = max_running_of(app_state, owner_id)
    if max_running is None or slots.busy is None:
        return free
    return min(free, max_running - slots.busy)


def _most_urgent(app_state: AppState) -> sa.Select[t.Any]:
    """Return the query for the urgency of the user's next held execution, and its slots."""
    execution = app_state.models.execution
    columns: list[t.Any] = [execution.urgency, *_slot_columns(app_state, execution.urgency)]
    query = sa.select(*columns).where(_queued(execution, on_hold=True))
    query = query.where(sa.not_(is_paused(app_state.models)))
    return query.order_by(execution.urgency).limit(1)


def _slot_columns(app_state: AppState, urgency: sa.SQLColumnExpression[int]) -> Columns:
    """Return the columns of :class:`SlotCounts` for the user and an *urgency*."""
    # psycopg parses a statement of more than 4,096 characters each time, so the name is short.
    other = sa.orm.aliased(app_state.models.execution, name="other")
    published = _queued(other, on_hold=False)
    columns = [
        _count(other, published, other.urgency == urgency).label("published"),
        _worker_slots(app_state).label("worker_slots"),
        running_sql(app_state).label("running"),
    ]
    if app_state.settings.max_running_per_user is not None:
        own = sa.and_(owned_by(other, _USER), has_status(other, ExecutionStatus.RUNNING))
        busy = sa.or_(own, sa.and_(published, other.urgency <= urgency))
        columns.append(_count(other, busy).label("busy"))
    return columns


def _count(model: t.Any, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    query = sa.select(sa.func.count()).select_from(model).where(*conditions)
    return query.scalar_subquery()


def _worker_slots(app_state: AppState) -> sa.ScalarSelect[int]:
    """Return the SQL for how many executions the workers can run at once.

    The slots of a worker count for as long after its last heartbeat as it keeps its leases.
    """
    seen_since = database_clock.seconds_from_now(-app_state.settings.lease_seconds)
    queue = app_state.settings.execution_queue
    return worker_slots(app_state.models, queue, seen_since)


def _users_with_free_slots(app_state: AppState) -> sa.Select[t.Any]:
    """Return the query for users with executions on hold and fewer messages than allowed.

    They come in random order, so that users who have free slots but may not use them because of
    another limit do not always come first.
    """
    execution = app_state.models.execution
    on_hold = sa.func.sum(sa.case((execution.on_hold.is_(True), 1), else_=0))
    published = sa.func.count() - on_hold
    free_slots = _worker_slots(app_state) - count_running_sql(app_state)
    has_slot = sa.or_(published < 1, published < free_slots)
    query = sa.select(execution.owner_id).where(
        has_status(execution, ExecutionStatus.QUEUED), sa.not_(is_paused(app_state.models))
    )
    query = query.group_by(execution.owner_id, execution.urgency).having(on_hold > 0, has_slot)
    return query.order_by(sa.func.random()).limit(app_state.settings.reconcile_batch_size)


def _queued(execution: type[ExecutionMixin], *, on_hold: bool) -> sa.ColumnElement[bool]:
    """Return the condition for queued executions of the user, on hold or not."""
    return sa.and_(
        owned_by(execution, _USER),
        has_status(execution, ExecutionStatus.QUEUED),
        execution.on_hold.is_(on_hold),
    )
