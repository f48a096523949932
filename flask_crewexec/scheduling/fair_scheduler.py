"""Whose turn it is: a few messages of each user wait in the broker, the rest waits in the database.

Redis knows no users, so a thousand messages of one would be a thousand before anybody else's.
Hence of each user and priority no more messages wait than workers have places free, and at least
one. Every other execution is *held*: ``queued`` in the database, without a message. Whenever one
is claimed or ends, its user's next one gets its turn. Whoever makes room, or fills it, commits
first and looks then, so of two at the same moment at least one sees the other; the reconciler
looks after what a dead process has left.

Where the host limits what runs at once, what is beyond it is held, too.
"""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

import sqlalchemy as sa
from flask import Flask

from .. import clock
from ..app_state import AppState
from ..config.per_user_limits import resolve_limit
from ..errors import BrokerUnavailable
from ..messaging.publishing import publish_attempt
from ..messaging.queues import EXECUTION_QUEUE
from ..models import ExecutionMixin
from ..per_app import AppLocal
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..storage import transitions
from ..storage.ownership import owned_by
from ..storage.workers import worker_slots

log = logging.getLogger(__name__)

Columns = list[sa.Label[t.Any]]
Values = dict[str, t.Any]

_USER: t.Final = sa.bindparam("for_user", type_=sa.String)
_PRIORITY: t.Final = sa.bindparam("at_priority", type_=sa.Integer)
_HEARD_SINCE: t.Final = sa.bindparam("heard_since", type_=sa.DateTime(timezone=True))


class _Statements:
    """What is asked for each execution, made once: that takes longer than to ask."""

    def __init__(self, app: Flask) -> None:
        app_state = app.extensions["crewexec"]
        self.most_urgent = _most_urgent(app_state)
        waiting, free, *_ = _figures(app_state, _PRIORITY)
        has_room = sa.or_(waiting.element < 1, waiting.element < free.element)
        self.give = transitions.release_statement(app_state.models, _USER, _PRIORITY, has_room)


_statements: t.Final = AppLocal(_Statements)


def scheduler_columns(app_state: AppState) -> Columns:
    """Return what is to be read for :func:`has_turn`, to be part of one SELECT."""
    execution = app_state.models.execution
    ahead = sa.exists().where(_queued(execution, on_hold=True), execution.priority <= _PRIORITY)
    return [ahead.label("ahead"), *_figures(app_state, _PRIORITY)]


def scheduler_parameters(app_state: AppState, owner_id: str, priority: int) -> Values:
    """Return the values for the :func:`place_columns`."""
    return {**_heard_since(app_state), _USER.key: owner_id, _PRIORITY.key: priority}


def may_publish(app_state: AppState, owner_id: str, found: t.Any) -> bool:
    """Return whether a message may be sent for an execution that is about to be queued.

    Several orders at the same moment may all have their turn: each is one message too many.

    :param found: a row with the :func:`place_columns`.
    """
    return not found.ahead and _free_slots_of_user(app_state, owner_id, found) > 0


def may_publish_sql(found: t.Any) -> sa.ColumnElement[bool]:
    """Return PostgreSQL's SQL for :func:`has_turn`, for users without a limit of what runs.

    :param found: the :func:`place_columns`; each is asked for once.
    """
    return sa.and_(sa.not_(found.ahead), found.waiting < sa.func.greatest(1, found.free))


def release_next(app_state: AppState, owner_id: str) -> None:
    """Send messages for those of the user's executions whose turn it is, if the broker is there.

    What led here is committed and holds, so nothing is raised; the reconciler will do the rest.
    """
    try:
        release_next_or_raise(app_state, owner_id)
    except BrokerUnavailable:
        log.warning("The broker is away; executions of '%s' wait in the database.", owner_id)
    except Exception:
        log.warning("Could not give '%s' a turn; the reconciler will.", owner_id, exc_info=True)


def release_next_or_raise(app_state: AppState, owner_id: str) -> int:
    """Do the same; return how many messages were sent.

    :raises BrokerUnavailable: if the broker took not all of them; it gets them later.
    """
    values = {**_heard_since(app_state), _USER.key: owner_id}
    with app_state.database.autocommit_connection() as connection:
        found = connection.execute(_statements.current().most_urgent, values).one_or_none()
    room = 0 if found is None else _free_slots_of_user(app_state, owner_id, found)
    if found is None or room <= 0:
        return 0
    given = _take_turns(app_state, owner_id, found.priority, room)
    for row in given:
        publish_attempt(app_state, row.execution_id, row.attempt, found.priority)
    return len(given)


def _take_turns(app_state: AppState, owner_id: str, priority: int, room: int) -> list[t.Any]:
    """Note that messages are under way, unless somebody else has just filled the room."""
    values = scheduler_parameters(app_state, owner_id, priority)
    count = min(room, app_state.settings.reconcile_batch_size)
    with app_state.database.write_transaction() as session:
        return transitions.release_held(session, _statements.current().give, count, values)


def release_all_users(app_state: AppState) -> int:
    """Release executions of users with free slots: at most ``CREWEXEC_RECONCILE_BATCH_SIZE``."""
    sent = 0
    with app_state.database.read_session() as session:
        owners = session.scalars(_users_with_free_slots(app_state), _heard_since(app_state)).all()
    for owner_id in dict.fromkeys(owners):
        try:
            sent += release_next_or_raise(app_state, owner_id)
        except BrokerUnavailable:
            log.warning("The broker is away; held executions wait in the database.")
            break
        except Exception:
            log.exception("Could not give '%s' a turn; the next round tries again.", owner_id)
    return sent


def max_running_of(app_state: AppState, owner_id: str) -> int | None:
    """Return how many executions of a user run at once; None is no limit."""
    limit = app_state.settings.max_running_per_user
    return resolve_limit("CREWEXEC_MAX_RUNNING_PER_USER", limit, owner_id)


def _free_slots_of_user(app_state: AppState, owner_id: str, found: t.Any) -> int:
    """Return how many messages may be sent."""
    room: int = max(1, found.free) - found.waiting
    most = max_running_of(app_state, owner_id)
    return room if most is None else min(room, most - found.busy)


def _most_urgent(app_state: AppState) -> sa.Select[t.Any]:
    """Return the query for the priority of the user's next held execution, with the figures."""
    execution = app_state.models.execution
    columns: list[t.Any] = [execution.priority, *_figures(app_state, execution.priority)]
    query = sa.select(*columns).where(_queued(execution, on_hold=True))
    return query.order_by(execution.priority).limit(1)


def _figures(app_state: AppState, priority: sa.SQLColumnExpression[int]) -> Columns:
    """Return how many messages wait, how many places are free, and how busy the user is."""
    other = sa.orm.aliased(app_state.models.execution)
    sent = _queued(other, on_hold=False)
    figures = [
        _count(other, sent, other.priority == priority).label("waiting"),
        _free_worker_slots(app_state).label("free"),
    ]
    if app_state.settings.max_running_per_user is not None:
        running = sa.and_(owned_by(other, _USER), has_status(other, ExecutionStatus.RUNNING))
        busy = sa.or_(running, sa.and_(sent, other.priority <= priority))
        figures.append(_count(other, busy).label("busy"))
    return figures


def _count(model: t.Any, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    query = sa.select(sa.func.count()).select_from(model).where(*conditions)
    return query.scalar_subquery()


def _free_worker_slots(app_state: AppState) -> sa.ColumnElement[int]:
    """Return the SQL for how many executions more the workers could run; it may be negative."""
    other = sa.orm.aliased(app_state.models.execution)
    running = _count(other, has_status(other, ExecutionStatus.RUNNING))
    return worker_slots(app_state.models, EXECUTION_QUEUE, _HEARD_SINCE) - running


def _heard_since(app_state: AppState) -> Values:
    """Return since when a worker must have been heard of to count.

    One that is silent for longer has lost its executions, too.
    """
    return {_HEARD_SINCE.key: clock.now() - dt.timedelta(seconds=app_state.settings.lease_seconds)}


def _users_with_free_slots(app_state: AppState) -> sa.Select[t.Any]:
    """Return the query for users of whom something is held, but fewer messages wait than may.

    In no order, so that those who have room but may not use it do not always come first.
    """
    execution = app_state.models.execution
    on_hold = sa.func.sum(sa.case((execution.on_hold.is_(True), 1), else_=0))
    waiting = sa.func.count() - on_hold
    has_room = sa.or_(waiting < 1, waiting < _free_worker_slots(app_state))
    query = sa.select(execution.owner_id).where(has_status(execution, ExecutionStatus.QUEUED))
    query = query.group_by(execution.owner_id, execution.priority).having(on_hold > 0, has_room)
    return query.order_by(sa.func.random()).limit(app_state.settings.reconcile_batch_size)


def _queued(execution: type[ExecutionMixin], *, on_hold: bool) -> sa.ColumnElement[bool]:
    """Return the condition for the user's executions that wait."""
    return sa.and_(
        owned_by(execution, _USER),
        has_status(execution, ExecutionStatus.QUEUED),
        execution.on_hold.is_(on_hold),
    )
