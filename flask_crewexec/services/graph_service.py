"""Keep graphs: every change is a new immutable version."""

from __future__ import annotations

import functools
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from .. import graphs
from ..app_state import AppState
from ..app_state import current_app_state
from ..errors import NotFound
from ..errors import WrongState
from ..graphs import importers
from ..ids import parse_uuid
from ..models import GraphMixin
from ..models import GraphVersionMixin
from ..schemas import CopySchema
from ..schemas import DiffQuerySchema
from ..schemas import GraphQuerySchema
from ..schemas import load
from ..schemas import OwnerSchema
from ..schemas import VersionPageQuerySchema
from ..schemas import VersionQuerySchema
from ..storage import graph_transitions
from ..storage.ownership import Requester
from ..storage.ownership import visible_to
from .etags import etag
from .etags import require_match
from .graph_report import validation_report
from .import_names import registered_names

Id = uuid.UUID | str
Roles = Collection[str] | None


class StoredGraph(t.NamedTuple):
    """A graph together with one of its versions."""

    graph: GraphMixin
    version: GraphVersionMixin

    @property
    def etag(self) -> str:
        """The strong entity tag of both together, in quotes."""
        return etag(self.graph, self.version)


class Difference(t.NamedTuple):
    """What changed from one version to another."""

    older: int
    newer: int
    changes: list[graphs.Change]


class GraphService:
    """Graphs of the current application; make one wherever you need it.

    Each method uses database transactions of its own. With *if_match*, the ``etag`` of what was
    read, nothing is done if the graph is at another version by now. A document may name what the
    *roles* of its author allow; None, the host's own code, may name everything. Queueing looks
    again, at the roles of the user for whom the graph is to run.
    """

    def validate(self, document: object, *, roles: Roles = None) -> graphs.Graph:
        """Return the parsed document.

        :raises InvalidGraph: with every problem of the document.
        """
        return graphs.validate(document, current_app_state().registry.permissions_for(roles))

    def report(self, document: object, *, roles: Roles = None) -> dict[str, t.Any]:
        """Return everything that is known of a document that may be wrong, as JSON."""
        return validation_report(current_app_state(), document, roles)

    def create(
        self, document: Mapping[str, t.Any], user_id: object, *, roles: Roles = None
    ) -> StoredGraph:
        """Store a new graph that belongs to *user_id*.

        :raises InvalidGraph: with every problem of the document.
        :raises InvalidRequest: if *user_id* names nobody.
        """
        owner = load(OwnerSchema(), {"user_id": user_id})["user_id"]
        parsed = self.validate(document, roles=roles)
        app_state = current_app_state()
        graph = app_state.models.graph(
            id=uuid7(), owner_id=owner, name=parsed.name, latest_version=1
        )
        version = _new_version(app_state, graph.id, 1, document, owner)
        with app_state.database.write_transaction() as session:
            session.add(graph)
            session.flush()
            session.add(version)
        return StoredGraph(graph, version)

    def import_files(
        self,
        format: str,
        files: Mapping[str, str],
        *,
        tools: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
        roles: Roles = None,
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
        registry = current_app_state().registry
        names = registered_names(registry, tools or {}, models or {}, roles)
        order = tuple(options.pop("order", ()))
        chosen = importers.Options(order=order, **options)
        validate = functools.partial(self.validate, roles=roles)
        return importers.import_files(format, files, chosen, names, validate)

    def import_definition(
        self,
        definition: Mapping[str, t.Any] | importers.Definition,
        *,
        tools: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> importers.Imported:
        """Return the document that CrewAI's ``CrewDefinition``, or its dump, stands for.

        Nothing is stored, and CrewAI is not imported.

        :param tools: registered names of tools by those in the definition.
        :param models: registered names of models by those in the definition.
        :param name: of the graph, if the definition has none.
        :raises InvalidGraph: with every problem; pointers start with ``/files/crew.jsonc``.
        """
        registry = current_app_state().registry
        names = registered_names(registry, tools or {}, models or {})
        chosen = importers.Options(name=name)
        return importers.import_definition(definition, chosen, names, self.validate)

    def get(
        self, graph_id: Id, requester: Requester = None, *, version: int | None = None
    ) -> StoredGraph:
        """Return a graph with its newest version, or with the one that is asked for.

        :raises NotFound: if there is none, or not for *asker*.
        :raises InvalidRequest: if *version* is no version's number.
        """
        number = load(VersionQuerySchema(), {"version": version})["version"]
        app_state = current_app_state()
        with app_state.database.read_session() as session:
            graph = find_graph(session, app_state, graph_id, requester)
            return StoredGraph(graph, find_version(session, app_state, graph, number))

    def list(
        self,
        requester: Requester = None,
        *,
        before: uuid.UUID | None = None,
        limit: int = 50,
        archived: bool = False,
    ) -> list[GraphMixin]:
        """Return graphs, newest first, from behind *before*.

        :param archived: return those that are out of use instead.
        :raises InvalidRequest: if *limit* is not from 1 to 200.
        """
        page = load(GraphQuerySchema(), {"before": before, "limit": limit, "archived": archived})
        app_state = current_app_state()
        graph = app_state.models.graph
        out_of_use = graph.deleted_at.is_not(None)
        query = visible_to(sa.select(graph), graph, requester)
        query = query.where(out_of_use if page["archived"] else ~out_of_use)
        if page["before"] is not None:
            query = query.where(graph.id < page["before"])
        with app_state.database.read_session() as session:
            return [*session.scalars(query.order_by(graph.id.desc()).limit(page["limit"]))]

    def update(
        self,
        graph_id: Id,
        document: Mapping[str, t.Any],
        author_id: object,
        requester: Requester = None,
        *,
        if_match: str | None = None,
    ) -> StoredGraph:
        """Make *document* the newest version; executions keep the one that they began with.

        :raises InvalidGraph: with every problem of the document.
        :raises NotFound: if there is no such graph, or not for *asker*.
        :raises PreconditionFailed: if the graph is not as *if_match* says.
        :raises WrongState: if somebody else changed the graph at the same moment.
        :raises InvalidRequest: if *author_id* names nobody.
        """
        author = load(OwnerSchema(), {"user_id": author_id})["user_id"]
        parsed = self.validate(document, roles=None if requester is None else requester.roles)
        app_state = current_app_state()
        with app_state.database.write_transaction() as session:
            graph = find_graph(session, app_state, graph_id, requester)
            require_match(if_match, graph, find_version(session, app_state, graph))
            number = graph.latest_version + 1
            _raise_on_conflict(graph_transitions.advance(session, graph, parsed.name))
            version = _new_version(app_state, graph.id, number, document, author)
            session.add(version)
            session.flush()
            session.refresh(graph)
        return StoredGraph(graph, version)

    def versions(
        self,
        graph_id: Id,
        requester: Requester = None,
        *,
        before: int | None = None,
        limit: int = 50,
    ) -> t.Sequence[GraphVersionMixin]:
        """Return the versions of a graph, newest first and without their documents.

        :param before: begin behind this version.
        :raises NotFound: if there is no such graph, or not for *asker*.
        :raises InvalidRequest: if *limit* is not from 1 to 200, or *before* is no version's number.
        """
        page = load(VersionPageQuerySchema(), {"before": before, "limit": limit})
        app_state = current_app_state()
        version = app_state.models.graph_version
        query = sa.select(version).options(defer(version.document, raiseload=True))
        if page["before"] is not None:
            query = query.where(version.number < page["before"])
        with app_state.database.read_session() as session:
            graph = find_graph(session, app_state, graph_id, requester)
            query = query.where(version.graph_id == graph.id).order_by(version.number.desc())
            return session.scalars(query.limit(page["limit"])).all()

    def diff(
        self, graph_id: Id, older: int, newer: int | None = None, requester: Requester = None
    ) -> Difference:
        """Return what changed from version *older* to *newer*, without one to the newest.

        :raises NotFound: if there is no such graph or version, or not for *asker*.
        :raises InvalidRequest: if one is no version's number.
        """
        given = load(DiffQuerySchema(), {"from": older, "to": newer})
        app_state = current_app_state()
        with app_state.database.read_session() as session:
            graph = find_graph(session, app_state, graph_id, requester)
            first = find_version(session, app_state, graph, given["older"])
            second = find_version(session, app_state, graph, given["newer"])
        changes = graphs.find_changes(first.document, second.document)
        return Difference(first.number, second.number, changes)

    def copy(
        self,
        graph_id: Id,
        user_id: object,
        requester: Requester = None,
        *,
        name: str | None = None,
        version: int | None = None,
        if_match: str | None = None,
    ) -> StoredGraph:
        """Store one version of a graph, the newest without *version*, as a graph of *user_id*.

        :param name: of the copy; it keeps the old one if None.
        :raises NotFound: if there is no such graph or version, or not for *asker*.
        :raises PreconditionFailed: if that version is not as *if_match* says.
        :raises InvalidGraph: if *name* cannot be one, or a tool or model is no longer registered.
        :raises InvalidRequest: if *version* is no version's number, or *user_id* names nobody.
        """
        given = load(CopySchema(), {"name": name, "version": version})
        stored = self.get(graph_id, requester, version=given["version"])
        require_match(if_match, *stored)
        renamed = {} if name is None else {"name": name}
        roles = None if requester is None else requester.roles
        return self.create({**stored.version.document, **renamed}, user_id, roles=roles)

    def delete(
        self, graph_id: Id, requester: Requester = None, *, if_match: str | None = None
    ) -> None:
        """Take a graph out of use, as :meth:`archive` does; its executions stay readable.

        :raises NotFound: if there is none in use, or not for *asker*.
        :raises PreconditionFailed: if it is not as *if_match* says.
        :raises WrongState: if somebody else changed it at the same moment.
        """
        app_state = current_app_state()
        with app_state.database.write_transaction() as session:
            graph = find_graph(session, app_state, graph_id, requester)
            require_match(if_match, graph, find_version(session, app_state, graph))
            _raise_on_conflict(graph_transitions.archive(session, graph))

    def archive(
        self, graph_id: Id, requester: Requester = None, *, if_match: str | None = None
    ) -> StoredGraph:
        """Take a graph out of use until :meth:`restore` is called.

        It is removed for good once it is older than ``CREWEXEC_KEEP_FOR`` and no execution is
        left of it.

        :raises NotFound: if there is none, or not for *asker*.
        :raises PreconditionFailed: if it is not as *if_match* says.
        :raises WrongState: if it is archived, or somebody else changed it at the same moment.
        """
        return _change_archived(
            graph_transitions.archive, graph_id, requester, if_match, "It is archived already."
        )

    def restore(
        self, graph_id: Id, requester: Requester = None, *, if_match: str | None = None
    ) -> StoredGraph:
        """Take an archived graph into use again.

        :raises NotFound: if there is none any more, or not for *asker*.
        :raises PreconditionFailed: if it is not as *if_match* says.
        :raises WrongState: if it is not archived.
        """
        return _change_archived(
            graph_transitions.restore, graph_id, requester, if_match, "It is not archived."
        )


def _change_archived(
    change: Callable[[Session, GraphMixin], bool],
    graph_id: Id,
    requester: Requester,
    if_match: str | None,
    otherwise: str,
) -> StoredGraph:
    app_state = current_app_state()
    with app_state.database.write_transaction() as session:
        graph = find_graph(session, app_state, graph_id, requester, archived=True)
        version = find_version(session, app_state, graph)
        require_match(if_match, graph, version)
        _raise_on_conflict(change(session, graph), otherwise)
        session.refresh(graph)
    return StoredGraph(graph, version)


def _raise_on_conflict(
    changed: bool, otherwise: str = "Somebody else has just changed it."
) -> None:
    if not changed:
        raise WrongState(f"The graph cannot be changed like this: {otherwise} Read it again.")


def find_graph(
    session: Session,
    app_state: AppState,
    graph_id: Id,
    requester: Requester,
    *,
    archived: bool = False,
) -> GraphMixin:
    """Return a graph that is in use, or with *archived* any graph.

    :raises NotFound: if there is none, or not for *asker*.
    """
    model = app_state.models.graph
    query = visible_to(sa.select(model), model, requester)
    if not archived:
        query = query.where(model.deleted_at.is_(None))
    graph = session.scalar(query.where(model.id == parse_uuid(graph_id, "graph")))
    if graph is None:
        raise NotFound(f"There is no graph '{graph_id}'.")
    return graph


def find_version(
    session: Session, app_state: AppState, graph: GraphMixin, number: int | None = None
) -> GraphVersionMixin:
    """Return a version of *graph*, without a number the newest.

    :raises NotFound: if there is none.
    """
    key = (graph.id, number or graph.latest_version)
    version = session.get(app_state.models.graph_version, key)
    if version is None:
        raise NotFound(f"Graph '{graph.id}' has no version {number}.")
    return version


def _new_version(
    app_state: AppState,
    graph_id: uuid.UUID,
    number: int,
    document: Mapping[str, t.Any],
    author: str,
) -> GraphVersionMixin:
    return app_state.models.graph_version(
        graph_id=graph_id,
        number=number,
        document=dict(document),
        digest=graphs.digest(document),
        author_id=author,
    )
