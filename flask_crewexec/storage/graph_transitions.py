"""The changes of a graph: one conditional UPDATE each, that tells whether it found its row."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import clock
from ..models import GraphMixin
from .transitions import update_one


def advance(session: Session, graph: GraphMixin, name: str) -> bool:
    """Give a graph in use its next version, unless it has changed since *graph* was read."""
    statement = _unchanged(graph).where(type(graph).deleted_at.is_(None))
    number = graph.latest_version + 1
    values = {"latest_version": number, "name": name, "updated_at": clock.now()}
    return update_one(session, statement.values(values))


def archive(session: Session, graph: GraphMixin) -> bool:
    """Take a graph out of use, unless it is, or has changed since *graph* was read."""
    statement = _unchanged(graph).where(type(graph).deleted_at.is_(None))
    return update_one(session, statement.values(deleted_at=clock.now()))


def restore(session: Session, graph: GraphMixin) -> bool:
    """Take an archived graph into use again, unless it is."""
    statement = _unchanged(graph).where(type(graph).deleted_at.is_not(None))
    return update_one(session, statement.values(deleted_at=None))


def _unchanged(graph: GraphMixin) -> sa.Update:
    model = type(graph)
    return sa.update(model).where(
        model.id == graph.id, model.latest_version == graph.latest_version
    )
