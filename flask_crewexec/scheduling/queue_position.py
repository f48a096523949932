"""Queue position: how many queued executions the fair scheduler starts before one of them.

At each urgency users take turns: the first execution of each user comes first, then the second
one of each, and so on. Within the same round the oldest comes first.
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
"""Counting stops here, because it takes longer the more executions wait, and tells less."""


def queue_position(session: Session, execution: ExecutionMixin) -> int | None:
    """Return the position of an execution, from 1.

    :return: None if it is not queued, or if :data:`MAX_POSITION` others or more come before it.
    """
    if execution.status != ExecutionStatus.QUEUED:
        return None
    query = sa.select(_count_own(execution), _count_urgent(execution))
    rounds, urgent = session.execute(query).one()
    ahead = session.scalars(_count_ahead(execution, rounds, urgent)).one()
    return ahead + 1 if ahead < MAX_POSITION else None


def _count_own(execution: ExecutionMixin) -> sa.ColumnElement[int]:
    """Return the SQL for how many executions of its user come first: one in each round."""
    model = type(execution)
    mine = owned_by(model, execution.owner_id)
    return _count(model, MAX_POSITION, mine, *_like(execution), _is_older(execution))


def _count_urgent(execution: ExecutionMixin) -> sa.ColumnElement[int]:
    """Return the SQL for how many executions are more urgent."""
    model = type(execution)
    return _count(model, MAX_POSITION, *_queued(model), model.urgency < execution.urgency)


def _count_ahead(execution: ExecutionMixin, rounds: int, urgent: int) -> sa.Select[int]:
    """Return the query that counts, user by user, the executions that come first.

    Grouping would read all queued executions. This recursive query jumps from one user to the next
    in the index, reads only the executions of each that come first, and stops at the maximum.

    :param rounds: how many executions of its user come first.
    :param urgent: how many executions are more urgent.
    """
    model = type(execution)
    owners = sa.select(sa.func.min(model.owner_id)).where(has_status(model, ExecutionStatus.QUEUED))
    ahead = sa.literal(urgent, sa.BigInteger).label("ahead")
    walk = sa.select(owners.scalar_subquery().label("owner_id"), ahead).cte("walk", recursive=True)
    next_owner = owners.where(model.owner_id > walk.c.owner_id).scalar_subquery()
    alike = (owned_by(model, walk.c.owner_id), *_like(execution))
    in_same_round = _count(model, rounds + 1, *alike, _is_older(execution)) > rounds
    more = _count(model, rounds, *alike) + sa.case((in_same_round, 1), else_=0)
    step = sa.select(next_owner, walk.c.ahead + more)
    step = step.where(walk.c.owner_id.is_not(None), walk.c.ahead < MAX_POSITION)
    return sa.select(sa.func.max(walk.union_all(step).c.ahead))


def _queued(model: type[ExecutionMixin]) -> list[sa.ColumnElement[bool]]:
    # Both values, because `on_hold` precedes the urgency in the indexes.
    return [has_status(model, ExecutionStatus.QUEUED), model.on_hold.in_((False, True))]


def _like(execution: ExecutionMixin) -> list[sa.ColumnElement[bool]]:
    model = type(execution)
    return [*_queued(model), model.urgency == execution.urgency]


def _is_older(execution: ExecutionMixin) -> sa.ColumnElement[bool]:
    model = type(execution)
    mine = sa.tuple_(sa.literal(execution.queued_at, model.queued_at.type), execution.id)
    return sa.tuple_(model.queued_at, model.id) < mine


def _count(
    model: type[ExecutionMixin], limit: int, *conditions: sa.ColumnElement[bool]
) -> sa.ColumnElement[int]:
    """Return the SQL that counts rows up to a *limit*."""
    some = sa.select(model.id).where(*conditions).limit(limit).correlate_except(model).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()
