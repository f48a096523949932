"""SELECTs of graphs and their versions, as the service and the dashboard need them.

A function that takes a *requester* finds only what that requester may see.
"""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Iterator
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import NotFound
from ..ids import parse_uuid
from ..models import GraphMixin
from ..models import GraphVersionMixin
from ..models import Models
from .ownership import owned_by
from .ownership import Requester
from .ownership import visible_to

Id = uuid.UUID | str

_PAGE: t.Final = 200
"""How many documents are read with one query."""


def find_graph(
    session: Session,
    models: Models,
    graph_id: Id,
    requester: Requester,
    *,
    archived: bool = False,
) -> GraphMixin:
    """Return a graph that is not archived or, with *archived*, any graph.

    :raises NotFound: if there is none, or not for *requester*.
    """
    graph = models.graph
    query = visible_to(sa.select(graph), graph, requester)
    if not archived:
        query = query.where(graph.deleted_at.is_(None))
    found = session.scalar(query.where(graph.id == parse_uuid(graph_id, "graph")))
    if found is None:
        raise NotFound(f"There is no graph '{graph_id}'.")
    return found


def find_version(
    session: Session, models: Models, graph: GraphMixin, number: int | None = None
) -> GraphVersionMixin:
    """Return a version of *graph*, the newest one by default.

    :raises NotFound: if there is none.
    """
    key = (graph.id, number or graph.latest_version)
    version = session.get(models.graph_version, key)
    if version is None:
        raise NotFound(f"Graph '{graph.id}' has no version {number}.")
    return version


def list_graphs(
    app_state: AppState,
    requester: Requester,
    *,
    before: uuid.UUID | None,
    limit: int,
    archived: bool,
) -> Sequence[GraphMixin]:
    """Return graphs, newest first.

    :param before: return only graphs that are older than this one.
    :param archived: return those that are archived instead of the others.
    """
    graph = app_state.models.graph
    is_archived = graph.deleted_at.is_not(None)
    query = visible_to(sa.select(graph), graph, requester)
    query = query.where(is_archived if archived else ~is_archived)
    if before is not None:
        query = query.where(graph.id < before)
    with app_state.database.read_session() as session:
        return session.scalars(query.order_by(graph.id.desc()).limit(limit)).all()


def newest_documents(app_state: AppState) -> Iterator[tuple[uuid.UUID, object]]:
    """Yield the newest document of each graph that is not archived, the newest graphs first."""
    graph, version = app_state.models.graph, app_state.models.graph_version
    newest = sa.and_(version.graph_id == graph.id, version.number == graph.latest_version)
    query = sa.select(graph.id, version.document).join(version, newest)
    query = query.where(graph.deleted_at.is_(None)).order_by(graph.id.desc()).limit(_PAGE)
    before: uuid.UUID | None = None
    while True:
        page = query if before is None else query.where(graph.id < before)
        with app_state.database.read_session() as session:
            rows = session.execute(page).all()
        yield from ((id, document) for id, document in rows)
        if len(rows) < _PAGE:
            return
        before = rows[-1][0]


def count_graphs(session: Session, models: Models, owner_id: str, at_most: int) -> int:
    """Return how many graphs a user has, archived or not; counting stops at a number."""
    graph = models.graph
    some = sa.select(graph.id).where(owned_by(graph, owner_id)).limit(at_most).subquery()
    return session.scalars(sa.select(sa.func.count()).select_from(some)).one()


def list_versions(
    app_state: AppState,
    graph_id: Id,
    requester: Requester,
    *,
    before: int | None,
    limit: int,
) -> Sequence[GraphVersionMixin]:
    """Return the versions of a graph, newest first, without their documents.

    :raises NotFound: if there is no such graph, or not for *requester*.
    """
    version = app_state.models.graph_version
    query = sa.select(version).options(defer(version.document, raiseload=True))
    if before is not None:
        query = query.where(version.number < before)
    with app_state.database.read_session() as session:
        graph = find_graph(session, app_state.models, graph_id, requester)
        query = query.where(version.graph_id == graph.id).order_by(version.number.desc())
        return session.scalars(query.limit(limit)).all()


def graph_name_of(models: Models) -> sa.ScalarSelect[str]:
    """Return the SQL for the present name of an execution's graph, archived or not."""
    graph = models.graph
    query = sa.select(graph.name).where(graph.id == models.execution.graph_id)
    return query.correlate(models.execution).scalar_subquery()
