"""Changes of stored graphs, each in one transaction and guarded by ``If-Match``."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Mapping

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from .. import graphs
from ..app_state import AppState
from ..errors import WrongState
from ..models import GraphMixin
from ..models import GraphVersionMixin
from ..storage import graph_transitions
from ..storage.graph_queries import find_graph
from ..storage.graph_queries import find_version
from ..storage.graph_queries import Id
from ..storage.owner_locks import GRAPHS
from ..storage.owner_locks import lock_rows_of
from ..storage.ownership import Requester
from . import graph_limits
from .etags import etag
from .etags import require_match

Document = Mapping[str, t.Any]

_CONFLICT: t.Final = "Another request has just changed it."


class StoredGraph(t.NamedTuple):
    """A graph together with one of its versions."""

    graph: GraphMixin
    version: GraphVersionMixin

    @property
    def etag(self) -> str:
        """Return the strong entity tag of both together, in quotes."""
        return etag(self.graph, self.version)


class GraphReference(t.NamedTuple):
    """A graph that a requester wants to change."""

    graph_id: Id
    requester: Requester
    if_match: str | None
    """Entity tags of the version that the requester has read; None for any."""


def insert(app_state: AppState, name: str, document: Document, owner: str) -> StoredGraph:
    """Store a new graph.

    It is inserted before the user's graphs are counted, so that concurrent requests see each other.
    """
    max_graphs = graph_limits.max_graphs_of(app_state, owner)
    graph = app_state.models.graph(id=uuid7(), owner_id=owner, name=name, latest_version=1)
    version = _new_version(app_state, graph.id, 1, document, owner)
    with app_state.database.write_transaction() as session:
        if max_graphs is not None:
            lock_rows_of(session, owner, GRAPHS)
        session.add(graph)
        session.flush()
        graph_limits.enforce_graphs(session, app_state, owner, max_graphs)
        session.add(version)
    return StoredGraph(graph, version)


def add_version(
    app_state: AppState, reference: GraphReference, name: str, document: Document, author: str
) -> StoredGraph:
    """Make *document* the newest version of a graph."""
    max_versions = _max_versions(app_state, reference)
    with app_state.database.write_transaction() as session:
        graph, _ = _find(session, app_state, reference)
        graph_limits.enforce_versions(graph, max_versions)
        number = graph.latest_version + 1
        _raise_on_conflict(graph_transitions.advance(session, graph, name))
        version = _new_version(app_state, graph.id, number, document, author)
        session.add(version)
        session.flush()
        session.refresh(graph)
    return StoredGraph(graph, version)


def delete(app_state: AppState, reference: GraphReference) -> None:
    """Archive a graph that is not archived yet."""
    with app_state.database.write_transaction() as session:
        graph, _ = _find(session, app_state, reference)
        _raise_on_conflict(graph_transitions.archive(session, graph))


def change_archived(
    app_state: AppState,
    reference: GraphReference,
    transition: Callable[[Session, GraphMixin], bool],
    refusal: str,
) -> StoredGraph:
    """Archive or restore a graph.

    :param refusal: why the *transition* is not possible, as a sentence.
    """
    with app_state.database.write_transaction() as session:
        graph, version = _find(session, app_state, reference, archived=True)
        _raise_on_conflict(transition(session, graph), refusal)
        session.refresh(graph)
    return StoredGraph(graph, version)


def _find(
    session: Session, app_state: AppState, reference: GraphReference, *, archived: bool = False
) -> StoredGraph:
    """Return the graph that is to be changed, with its newest version, and lock it."""
    models = app_state.models
    graph_transitions.lock(session, models, reference.graph_id, reference.requester)
    graph = find_graph(session, models, reference.graph_id, reference.requester, archived=archived)
    version = find_version(session, models, graph)
    require_match(reference.if_match, graph, version)
    return StoredGraph(graph, version)


def _max_versions(app_state: AppState, reference: GraphReference) -> int | None:
    """Return how many versions a graph may have; its owner is only read if it matters."""
    if app_state.settings.max_versions_per_graph is None:
        return None
    graph_id, requester, _ = reference
    with app_state.database.read_session() as session:
        owner_id = find_graph(session, app_state.models, graph_id, requester).owner_id
    return graph_limits.max_versions_of(app_state, owner_id)


def _raise_on_conflict(
    changed: bool, refusal: str = "Another request has just changed it."
) -> None:
    if not changed:
        raise WrongState(f"The graph cannot be changed like this: {refusal} Read it again.")


def _new_version(
    app_state: AppState, graph_id: uuid.UUID, number: int, document: Document, author: str
) -> GraphVersionMixin:
    return app_state.models.graph_version(
        graph_id=graph_id,
        number=number,
        document=dict(document),
        digest=graphs.digest(document),
        author_id=author,
    )
