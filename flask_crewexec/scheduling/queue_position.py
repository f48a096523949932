"""How many queued executions will start before one of them: users take turns.

Of each user and priority the first ones come first, then the second ones, and so on; of those with
the same turn, the oldest.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import ExecutionMixin
from ..statuses import ExecutionStatus
from ..statuses import has_status
from ..storage.ownership import owned_by

MAX_POSITION: t.Final = 1_000
"""Nobody counts further: counting takes longer the more wait, and says less."""


def queue_position(session: Session, execution: ExecutionMixin) -> int | None:
    """Return the place of an execution, from 1.

    :return: None if it is not queued, or if it is behind ``FARTHEST`` others.
    """
    if execution.status != ExecutionStatus.QUEUED:
        return None
    turns, urgent = session.execute(sa.select(_own(execution), _urgent(execution))).one()
    ahead = session.scalars(_count_ahead(execution, turns, urgent)).one()
    return ahead + 1 if ahead < MAX_POSITION else None


def _own(execution: ExecutionMixin) -> sa.ColumnElement[int]:
    """Return the SQL for how many turns its user has before."""
    model = type(execution)
    mine = owned_by(model, execution.owner_id)
    return _count(model, MAX_POSITION, mine, *_like(execution), _is_older(execution))


def _urgent(execution: ExecutionMixin) -> sa.ColumnElement[int]:
    """Return the SQL for how many are more urgent."""
    model = type(execution)
    return _count(model, MAX_POSITION, *_queued(model), model.priority < execution.priority)


def _count_ahead(execution: ExecutionMixin, turns: int, urgent: int) -> sa.Select[int]:
    """Return the query that adds up, user by user, what is ahead of it, until that is enough.

    Grouping would read all that wait; this jumps from each user to the next one, and reads no more
    of each than is ahead.

    :param turns: how many its user has before.
    :param urgent: how many are more urgent.
    """
    model = type(execution)
    owners = sa.select(sa.func.min(model.owner_id)).where(has_status(model, ExecutionStatus.QUEUED))
    ahead = sa.literal(urgent, sa.BigInteger).label("ahead")
    walk = sa.select(owners.scalar_subquery().label("owner_id"), ahead).cte("walk", recursive=True)
    following = owners.where(model.owner_id > walk.c.owner_id).scalar_subquery()
    alike = (owned_by(model, walk.c.owner_id), *_like(execution))
    with_same_turn = _count(model, turns + 1, *alike, _is_older(execution)) > turns
    more = _count(model, turns, *alike) + sa.case((with_same_turn, 1), else_=0)
    step = sa.select(following, walk.c.ahead + more)
    step = step.where(walk.c.owner_id.is_not(None), walk.c.ahead < MAX_POSITION)
    return sa.select(sa.func.max(walk.union_all(step).c.ahead))


def _queued(model: type[ExecutionMixin]) -> list[sa.ColumnElement[bool]]:
    # Held or not: indexes have that in front of the priority.
    return [has_status(model, ExecutionStatus.QUEUED), model.on_hold.in_((False, True))]


def _like(execution: ExecutionMixin) -> list[sa.ColumnElement[bool]]:
    model = type(execution)
    return [*_queued(model), model.priority == execution.priority]


def _is_older(execution: ExecutionMixin) -> sa.ColumnElement[bool]:
    model = type(execution)
    mine = sa.tuple_(sa.literal(execution.queued_at, model.queued_at.type), execution.id)
    return sa.tuple_(model.queued_at, model.id) < mine


def _count(
    model: type[ExecutionMixin], most: int, *conditions: sa.ColumnElement[bool]
) -> sa.ColumnElement[int]:
    """Return the SQL for how many there are, but for no more than *most*."""
    some = sa.select(model.id).where(*conditions).limit(most).correlate_except(model).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()
