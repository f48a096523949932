"""Deletion of a user's rows, in batches of which each is one transaction."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid
from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models
from ..models import table_of
from ..models import Usage
from ..statuses import ACTIVE
from ..statuses import has_status
from . import database_clock
from .ownership import owned_by
from .transitions import update_one
from .usage_groups import count_failed

Counts = Counter[str]
"""Numbers of rows by the names of tables."""
_BULK: t.Final = {"synchronize_session": False, "preserve_rowcount": True}


def active_executions(session: Session, models: Models, user_id: str) -> Sequence[uuid.UUID]:
    """Return the ids of a user's executions that have not ended, newest first.

    In this order, those on hold are mostly cancelled before others are released.
    """
    execution = models.execution
    query = sa.select(execution.id).where(owned_by(execution, user_id))
    return session.scalars(
        query.where(has_status(execution, *ACTIVE)).order_by(execution.id.desc())
    ).all()


def erase_executions(
    session: Session, models: Models, user_id: str, pseudonym: str, limit: int
) -> Counts:
    """Delete some executions with all that belongs to them, and keep the sums of what they used.

    A worker that still runs one of them finds its lease lost, and writes nothing any more.
    """
    execution = models.execution
    mine = sa.select(execution.id).where(owned_by(execution, user_id)).limit(limit)
    # Locked first, as workers do it.
    ids = session.scalars(mine.with_for_update()).all()
    if not ids:
        return Counts()
    _keep_usage(session, models, ids, pseudonym)
    return _delete_with_children(session, models, ids)


def _delete_with_children(session: Session, models: Models, ids: Sequence[uuid.UUID]) -> Counts:
    """Delete what is left of executions, explicitly: it is counted, and SQLite does not cascade."""
    counts = Counts()
    request, assignee = models.input_request, models.input_assignee
    asked = sa.select(request.id).where(request.execution_id.in_(ids))
    _delete(session, assignee, assignee.request_id.in_(asked), counts)
    for model in (models.delivery, request, models.call, models.event, models.step):
        _delete(session, model, model.execution_id.in_(ids), counts)
    _delete(session, models.execution, models.execution.id.in_(ids), counts)
    return counts


def _delete(
    session: Session, model: type[t.Any], condition: sa.ColumnElement[bool], counts: Counts
) -> None:
    result = session.execute(sa.delete(model).where(condition), execution_options=_BULK)
    counts[model.__tablename__] += t.cast("sa.CursorResult[t.Any]", result).rowcount


def _keep_usage(session: Session, models: Models, ids: Sequence[uuid.UUID], pseudonym: str) -> None:
    """Add what executions have used to the sums of their days."""
    execution = models.execution
    day = database_clock.utc_day(execution.created_at).label("day")
    sums = [sa.func.sum(getattr(execution, name)).label(name) for name in Usage._fields]
    counts = (sa.func.count().label("executions"), count_failed(execution).label("failed"))
    query = sa.select(day, *counts, *sums)
    for row in session.execute(query.where(execution.id.in_(ids)).group_by(day)).mappings():
        totals = {name: int(value) for name, value in row.items() if name != "day"}
        _add_to_day(table_of(models.erased_usage), session, pseudonym, row["day"], totals)


def _add_to_day(
    table: sa.Table, session: Session, pseudonym: str, day: str, totals: dict[str, int]
) -> None:
    added = sa.update(table).where(table.c.pseudonym == pseudonym, table.c.day == day)
    added = added.values({name: table.c[name] + value for name, value in totals.items()})
    if not update_one(session, added):  # nobody else knows the pseudonym
        session.execute(sa.insert(table).values(pseudonym=pseudonym, day=day, **totals))


def erased_usage(models: Models, first: dt.date, last: dt.date | None) -> sa.Select[t.Any]:
    """Return the query for what was kept of these days, newest first."""
    erased = models.erased_usage
    totals = (getattr(erased, name) for name in ("executions", "failed", *Usage._fields))
    query = sa.select(erased.day, erased.pseudonym.label("user_id"), *totals)
    query = query.where(erased.day >= first.isoformat()).order_by(erased.day.desc())
    return query if last is None else query.where(erased.day <= last.isoformat())


def erase_graphs(session: Session, models: Models, user_id: str, limit: int) -> Counts:
    """Delete some graphs with their versions.

    Not those for which an execution was queued in the meantime.
    """
    graph, version, execution, counts = (
        models.graph,
        models.graph_version,
        models.execution,
        Counts(),
    )
    used = sa.exists().where(execution.graph_id == graph.id)
    mine = sa.select(graph.id).where(owned_by(graph, user_id), ~used).limit(limit)
    ids = session.scalars(mine.with_for_update()).all()
    if ids:
        _delete(session, version, version.graph_id.in_(ids), counts)
        _delete(session, graph, graph.id.in_(ids), counts)
    return counts


def erase_webhooks(session: Session, models: Models, user_id: str) -> Counts:
    """Delete the webhooks of a user."""
    counts = Counts()
    _delete(session, models.webhook, owned_by(models.webhook, user_id), counts)
    return counts


def count_rows(session: Session, models: Models, user_id: str) -> Counts:
    """Return how many rows of each table are a user's own."""
    executions = sa.select(models.execution.id).where(owned_by(models.execution, user_id))
    requests = sa.select(models.input_request.id).where(
        models.input_request.execution_id.in_(executions)
    )
    graphs = sa.select(models.graph.id).where(owned_by(models.graph, user_id))
    children = (models.delivery, models.input_request, models.call, models.event, models.step)
    conditions: dict[type[t.Any], sa.ColumnElement[bool]] = {
        models.execution: owned_by(models.execution, user_id),
        models.input_assignee: models.input_assignee.request_id.in_(requests),
        models.graph: owned_by(models.graph, user_id),
        models.graph_version: models.graph_version.graph_id.in_(graphs),
        models.webhook: owned_by(models.webhook, user_id),
        **{model: model.execution_id.in_(executions) for model in children},
    }
    return Counts(
        {
            model.__tablename__: session.scalars(
                sa.select(sa.func.count()).select_from(model).where(condition)
            ).one()
            for model, condition in conditions.items()
        }
    )
