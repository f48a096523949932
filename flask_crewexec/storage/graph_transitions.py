"""Changes of graphs: conditional UPDATEs that return whether they found their row."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..ids import parse_uuid
from ..models import GraphMixin
from ..models import Models
from . import database_clock
from .graph_queries import Id
from .ownership import Requester
from .ownership import visible_to
from .transitions import update_one


def lock(session: Session, models: Models, graph_id: Id, requester: Requester) -> None:
    """Make other changes of a graph wait until the transaction ends, if *requester* may see it.

    Call it first: what is then read stays true. An UPDATE that changes nothing does that on every
    database; SQLite knows no ``FOR UPDATE``.
    """
    graph = models.graph
    this = sa.select(graph.id).where(graph.id == parse_uuid(graph_id, "graph"))
    statement = sa.update(graph).where(graph.id.in_(visible_to(this, graph, requester)))
    session.execute(
        statement.values(latest_version=graph.latest_version),
        execution_options={"synchronize_session": False},
    )


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
