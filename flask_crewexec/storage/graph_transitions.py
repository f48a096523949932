"""Changes of graphs: conditional UPDATEs that return whether they found their row."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import GraphMixin
from . import database_clock
from .transitions import update_one


def advance(session: Session, graph: GraphMixin, name: str) -> bool:
    """Raise the version of a graph; False if it is archived or has changed since it was read."""
    statement = _unchanged(graph).where(type(graph).deleted_at.is_(None))
    number = graph.latest_version + 1
    values = {"latest_version": number, "name": name, "updated_at": database_clock.now()}
    return update_one(session, statement.values(values))


def archive(session: Session, graph: GraphMixin) -> bool:
    """Archive a graph; False if it is archived already or has changed since it was read."""
    statement = _unchanged(graph).where(type(graph).deleted_at.is_(None))
    return update_one(session, statement.values(deleted_at=database_clock.now()))


def restore(session: Session, graph: GraphMixin) -> bool:
    """Restore an archived graph; False if it is not archived or has changed since it was read."""
    statement = _unchanged(graph).where(type(graph).deleted_at.is_not(None))
    return update_one(session, statement.values(deleted_at=None))


def _unchanged(graph: GraphMixin) -> sa.Update:
    model = type(graph)
    return sa.update(model).where(
        model.id == graph.id, model.latest_version == graph.latest_version
    )
