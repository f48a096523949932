"""Keep graphs: every change is a new immutable version."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from . import clock
from . import graphs
from .binding import Binding
from .binding import current_binding
from .errors import NotFound
from .errors import WrongState
from .models import GraphMixin
from .models import GraphVersionMixin
from .ownership import Asker
from .ownership import owned

Id = uuid.UUID | str


class StoredGraph(t.NamedTuple):
    """A graph together with one of its versions."""

    graph: GraphMixin
    version: GraphVersionMixin


class GraphService:
    """Graphs of the current application; make one wherever you need it.

    Each method uses database transactions of its own.
    """

    def validate(self, document: object) -> graphs.Graph:
        """Return the parsed document.

        :raises InvalidGraph: with every problem of the document.
        """
        registry = current_binding().registry
        return graphs.validate(document, registry.tools, registry.models)

    def create(self, document: Mapping[str, t.Any], user_id: object) -> StoredGraph:
        """Store a new graph that belongs to *user_id*.

        :raises InvalidGraph: with every problem of the document.
        """
        parsed = self.validate(document)
        binding = current_binding()
        graph = binding.models.graph(
            id=uuid7(), owner_id=str(user_id), name=parsed.name, latest_version=1
        )
        version = _new_version(binding, graph.id, 1, document, str(user_id))
        with binding.session() as session, session.begin():
            session.add(graph)
            session.flush()
            session.add(version)
        return StoredGraph(graph, version)

    def get(self, graph_id: Id, asker: Asker = None, *, version: int | None = None) -> StoredGraph:
        """Return a graph with its newest version, or with the one that is asked for.

        :raises NotFound: if there is none, or not for *asker*.
        """
        binding = current_binding()
        with binding.session() as session:
            graph = find_graph(session, binding, graph_id, asker)
            return StoredGraph(graph, _version(session, binding, graph, version))

    def list(
        self, asker: Asker = None, *, before: uuid.UUID | None = None, limit: int = 50
    ) -> list[GraphMixin]:
        """Return graphs, newest first, from behind *before*."""
        binding = current_binding()
        graph = binding.models.graph
        query = owned(sa.select(graph), graph, asker).where(graph.deleted_at.is_(None))
        if before is not None:
            query = query.where(graph.id < before)
        with binding.session() as session:
            return [*session.scalars(query.order_by(graph.id.desc()).limit(limit))]

    def add_version(
        self, graph_id: Id, document: Mapping[str, t.Any], author_id: object, asker: Asker = None
    ) -> StoredGraph:
        """Make *document* the newest version; executions keep the one that they began with.

        :raises InvalidGraph: with every problem of the document.
        :raises NotFound: if there is no such graph, or not for *asker*.
        :raises WrongState: if somebody else changed the graph at the same moment.
        """
        parsed = self.validate(document)
        binding = current_binding()
        with binding.session() as session, session.begin():
            graph = find_graph(session, binding, graph_id, asker)
            number = graph.latest_version + 1
            _advance(session, binding, graph, number, parsed.name)
            version = _new_version(binding, graph.id, number, document, str(author_id))
            session.add(version)
            session.flush()
            session.refresh(graph)
        return StoredGraph(graph, version)

    def delete(self, graph_id: Id, asker: Asker = None) -> None:
        """Take a graph out of use; its executions stay readable.

        :raises NotFound: if there is none, or not for *asker*.
        """
        binding = current_binding()
        model = binding.models.graph
        with binding.session() as session, session.begin():
            graph = find_graph(session, binding, graph_id, asker)
            session.execute(
                sa.update(model).where(model.id == graph.id).values(deleted_at=clock.now())
            )


def find_graph(session: Session, binding: Binding, graph_id: Id, asker: Asker) -> GraphMixin:
    """Return a graph that is in use.

    :raises NotFound: if there is none, or not for *asker*.
    """
    model = binding.models.graph
    query = owned(sa.select(model), model, asker).where(model.deleted_at.is_(None))
    graph = session.scalar(query.where(model.id == _as_uuid(graph_id)))
    if graph is None:
        raise NotFound(f"There is no graph '{graph_id}'.")
    return graph


def newest_version(session: Session, binding: Binding, graph: GraphMixin) -> GraphVersionMixin:
    """Return the version that a new execution of *graph* runs."""
    return _version(session, binding, graph, None)


def _version(
    session: Session, binding: Binding, graph: GraphMixin, number: int | None
) -> GraphVersionMixin:
    key = (graph.id, number or graph.latest_version)
    version = session.get(binding.models.graph_version, key)
    if version is None:
        raise NotFound(f"Graph '{graph.id}' has no version {number}.")
    return version


def _new_version(
    binding: Binding, graph_id: uuid.UUID, number: int, document: Mapping[str, t.Any], author: str
) -> GraphVersionMixin:
    return binding.models.graph_version(
        graph_id=graph_id,
        number=number,
        document=dict(document),
        digest=graphs.digest(document),
        author_id=author,
    )


def _advance(session: Session, binding: Binding, graph: GraphMixin, number: int, name: str) -> None:
    model = binding.models.graph
    statement = (
        sa.update(model)
        .where(model.id == graph.id, model.latest_version == number - 1)
        .values(latest_version=number, name=name, updated_at=clock.now())
    )
    options = {"synchronize_session": False}
    result = t.cast("sa.CursorResult[t.Any]", session.execute(statement, execution_options=options))
    if result.rowcount != 1:
        raise WrongState(
            "Somebody else has just changed this graph. Read it again, then change it."
        )


def _as_uuid(graph_id: Id) -> uuid.UUID:
    try:
        return graph_id if isinstance(graph_id, uuid.UUID) else uuid.UUID(graph_id)
    except ValueError as error:
        raise NotFound(f"There is no graph '{graph_id}'.") from error
