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
from .graphs import importers
from .models import GraphMixin
from .models import GraphVersionMixin
from .ownership import Asker
from .ownership import owned
from .schemas import load
from .schemas import OwnerSchema
from .schemas import PageQuerySchema
from .schemas import VersionQuerySchema
from .states import changed_one

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
        :raises InvalidRequest: if *user_id* names nobody.
        """
        owner = load(OwnerSchema(), {"user_id": user_id})["user_id"]
        parsed = self.validate(document)
        binding = current_binding()
        graph = binding.models.graph(id=uuid7(), owner_id=owner, name=parsed.name, latest_version=1)
        version = _new_version(binding, graph.id, 1, document, owner)
        with binding.transaction() as session:
            session.add(graph)
            session.flush()
            session.add(version)
        return StoredGraph(graph, version)

    def read_files(
        self,
        format: str,
        files: Mapping[str, str],
        *,
        tools: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
        **options: t.Any,
    ) -> importers.Imported:
        """Return the document that *files* stand for and what it leaves out; store nothing.

        :param format: one of ``graphs.importers.FORMATS``.
        :param files: the texts of the files by name.
        :param tools: registered names of tools by those in the files.
        :param models: registered names of models by those in the files.
        :param options: what ``graphs.importers.Options`` takes.
        :raises InvalidGraph: with every problem; pointers start with ``/files``.
        """
        registry = current_binding().registry
        names = importers.registered_names(registry, tools or {}, models or {})
        order = tuple(options.pop("order", ()))
        chosen = importers.Options(order=order, **options)
        return importers.import_files(format, files, chosen, names, self.validate)

    def get(self, graph_id: Id, asker: Asker = None, *, version: int | None = None) -> StoredGraph:
        """Return a graph with its newest version, or with the one that is asked for.

        :raises NotFound: if there is none, or not for *asker*.
        :raises InvalidRequest: if *version* is no version's number.
        """
        number = load(VersionQuerySchema(), {"version": version})["version"]
        binding = current_binding()
        with binding.session() as session:
            graph = find_graph(session, binding, graph_id, asker)
            return StoredGraph(graph, find_version(session, binding, graph, number))

    def list(
        self, asker: Asker = None, *, before: uuid.UUID | None = None, limit: int = 50
    ) -> list[GraphMixin]:
        """Return graphs, newest first, from behind *before*.

        :raises InvalidRequest: if *limit* is not from 1 to 200.
        """
        page = load(PageQuerySchema(), {"before": before, "limit": limit})
        binding = current_binding()
        graph = binding.models.graph
        query = owned(sa.select(graph), graph, asker).where(graph.deleted_at.is_(None))
        if page["before"] is not None:
            query = query.where(graph.id < page["before"])
        with binding.session() as session:
            return [*session.scalars(query.order_by(graph.id.desc()).limit(page["limit"]))]

    def add_version(
        self, graph_id: Id, document: Mapping[str, t.Any], author_id: object, asker: Asker = None
    ) -> StoredGraph:
        """Make *document* the newest version; executions keep the one that they began with.

        :raises InvalidGraph: with every problem of the document.
        :raises NotFound: if there is no such graph, or not for *asker*.
        :raises WrongState: if somebody else changed the graph at the same moment.
        :raises InvalidRequest: if *author_id* names nobody.
        """
        author = load(OwnerSchema(), {"user_id": author_id})["user_id"]
        parsed = self.validate(document)
        binding = current_binding()
        with binding.transaction() as session:
            graph = find_graph(session, binding, graph_id, asker)
            number = graph.latest_version + 1
            _advance(session, binding, graph, number, parsed.name)
            version = _new_version(binding, graph.id, number, document, author)
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
        with binding.transaction() as session:
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
    graph = session.scalar(query.where(model.id == as_uuid(graph_id, "graph")))
    if graph is None:
        raise NotFound(f"There is no graph '{graph_id}'.")
    return graph


def find_version(
    session: Session, binding: Binding, graph: GraphMixin, number: int | None = None
) -> GraphVersionMixin:
    """Return a version of *graph*, without a number the newest.

    :raises NotFound: if there is none.
    """
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
    if not changed_one(session, statement):
        raise WrongState(
            "Somebody else has just changed this graph. Read it again, then change it."
        )


def as_uuid(id: object, kind: str) -> uuid.UUID:
    """Return the id of something of a *kind* that may come from anywhere.

    :raises NotFound: if it cannot be an id.
    """
    try:
        return id if isinstance(id, uuid.UUID) else uuid.UUID(str(id))
    except ValueError as error:
        raise NotFound(f"There is no {kind} '{id}'.") from error
