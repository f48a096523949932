"""Store graphs: every change is a new immutable version."""

from __future__ import annotations

import functools
import typing as t
import uuid
from collections.abc import Collection
from collections.abc import Mapping

from .. import graphs
from ..app_state import current_app_state
from ..graphs import importers
from ..identity import IdentityLike
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
from ..storage.graph_queries import find_graph
from ..storage.graph_queries import find_version
from ..storage.graph_queries import Id
from ..storage.graph_queries import list_graphs
from ..storage.graph_queries import list_versions
from ..storage.ownership import Requester
from . import graph_changes
from .etags import require_match
from .graph_changes import GraphReference
from .graph_changes import StoredGraph
from .graph_report import validation_report
from .import_names import Mappings
from .import_names import registered_names
from .user_graphs import UserGraphs

Roles = Collection[str] | None


class Difference(t.NamedTuple):
    """What changed from one version to another."""

    older: int
    newer: int
    changes: list[graphs.Change]


class GraphService:
    """Graphs of the current application; create one wherever you need it.

    Each method uses database transactions of its own. With *if_match*, the ``etag`` of what was
    read, nothing is changed if the graph has another version by now. A document may name what the
    *roles* of its author allow; with None, as for the host's own code, it may name everything.
    Queueing an execution checks this again with the roles of its user. In views, use
    :meth:`for_user`.
    """

    def for_user(self, user: IdentityLike) -> UserGraphs:
        """Return what *user* may do: they see no graph of others, unless they manage them.

        :param user: an :class:`~flask_crewexec.Identity`, or the id of an ordinary user.
        :raises TypeError: if *user* is None or no id.
        :raises ValueError: if the id cannot be stored.
        """
        return UserGraphs(self, user)

    def validate(self, document: object, *, roles: Roles = None) -> graphs.Graph:
        """Return the parsed document.

        :raises InvalidGraph: with every problem of the document.
        """
        return graphs.validate(document, current_app_state().registry.permissions_for(roles))

    def report(self, document: object, *, roles: Roles = None) -> dict[str, t.Any]:
        """Return the problems of a document, or what it needs and how it would run, as JSON."""
        return validation_report(current_app_state(), document, roles)

    def create(
        self, document: Mapping[str, t.Any], user_id: object, *, roles: Roles = None
    ) -> StoredGraph:
        """Store a new graph that belongs to *user_id*.

        :raises InvalidGraph: with every problem of the document.
        :raises InvalidRequest: if *user_id* is not a valid user id.
        :raises TooManyGraphs: if the user may have no more graphs.
        """
        owner = load(OwnerSchema(), {"user_id": user_id})["user_id"]
        parsed = self.validate(document, roles=roles)
        return graph_changes.insert(current_app_state(), parsed.name, document, owner)

    def import_files(
        self,
        format: str,
        files: Mapping[str, str],
        *,
        tools: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
        guardrails: Mapping[str, str] | None = None,
        predicates: Mapping[str, str] | None = None,
        schemas: Mapping[str, t.Any] | None = None,
        accept: str | None = None,
        strict: bool = False,
        roles: Roles = None,
        **options: t.Any,
    ) -> importers.Imported:
        """Return the document that *files* describe and what it leaves out; store nothing.

        :param format: one of ``graphs.importers.FORMATS``.
        :param files: contents of the files by name.
        :param tools: registered names of tools by those in the files.
        :param models: registered names of models by those in the files.
        :param guardrails: registered names of guardrails by those in the files.
        :param predicates: registered names of predicates by those of conditions in the files.
        :param schemas: JSON Schemas by the names of output classes in the files.
        :param accept: ``"unguarded"`` to accept that checks are missing, which notes name.
        :param strict: refuse a crew that would behave differently.
        :param options: fields of ``graphs.importers.Options``.
        :raises InvalidGraph: with every problem, and the notes; pointers start with ``/files``.
        :raises ImportNotAccepted: if notes matter more than *accept* and *strict* allow.
        """
        mappings = Mappings(
            tools or {}, models or {}, guardrails or {}, predicates or {}, schemas or {}
        )
        names = registered_names(current_app_state().registry, mappings, roles)
        for name in ("order", "tasks"):
            options[name] = tuple(options.get(name, ()))
        chosen = importers.Options(**options)
        validate = functools.partial(self.validate, roles=roles)
        imported = importers.import_files(format, files, chosen, names, validate)
        importers.require_accepted(imported, accept, strict)
        return imported

    def import_definition(
        self,
        definition: Mapping[str, t.Any] | importers.Definition,
        *,
        tools: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
        name: str | None = None,
        accept: str | None = None,
        strict: bool = False,
    ) -> importers.Imported:
        """Return the document that a ``CrewDefinition`` of CrewAI, or its dump, describes.

        Nothing is stored, and CrewAI is not imported.

        :param tools: registered names of tools by those in the definition.
        :param models: registered names of models by those in the definition.
        :param name: name of the graph, if the definition has none.
        :param accept: ``"unguarded"`` to accept that checks are missing, which notes name.
        :param strict: refuse a crew that would behave differently.
        :raises InvalidGraph: with every problem; pointers start with ``/files/crew.jsonc``.
        :raises ImportNotAccepted: if notes matter more than *accept* and *strict* allow.
        """
        mappings = Mappings(tools or {}, models or {})
        names = registered_names(current_app_state().registry, mappings)
        chosen = importers.Options(name=name)
        imported = importers.import_definition(definition, chosen, names, self.validate)
        importers.require_accepted(imported, accept, strict)
        return imported

    def get(
        self, graph_id: Id, requester: Requester = None, *, version: int | None = None
    ) -> StoredGraph:
        """Return a graph with one of its versions, the newest one by default.

        :raises NotFound: if there is none, or not for *requester*.
        :raises InvalidRequest: if *version* is not a valid number.
        """
        number = load(VersionQuerySchema(), {"version": version})["version"]
        app_state = current_app_state()
        with app_state.database.read_session() as session:
            graph = find_graph(session, app_state.models, graph_id, requester)
            return StoredGraph(graph, find_version(session, app_state.models, graph, number))

    def list(
        self,
        requester: Requester = None,
        *,
        before: uuid.UUID | None = None,
        limit: int = 50,
        archived: bool = False,
    ) -> list[GraphMixin]:
        """Return graphs, newest first.

        :param before: return only graphs that are older than this one.
        :param archived: return archived graphs instead of the others.
        :raises InvalidRequest: if *limit* is not from 1 to 200.
        """
        page = load(GraphQuerySchema(), {"before": before, "limit": limit, "archived": archived})
        return [*list_graphs(current_app_state(), requester, **page)]

    def update(
        self,
        graph_id: Id,
        document: Mapping[str, t.Any],
        author_id: object,
        requester: Requester = None,
        *,
        if_match: str | None = None,
    ) -> StoredGraph:
        """Make *document* the newest version; executions keep the version they started with.

        :raises InvalidGraph: with every problem of the document.
        :raises NotFound: if there is no such graph, or not for *requester*.
        :raises PreconditionFailed: if the graph does not match *if_match*.
        :raises InvalidRequest: if *author_id* is not a valid user id.
        :raises TooManyVersions: if the graph may have no more versions.
        """
        author = load(OwnerSchema(), {"user_id": author_id})["user_id"]
        parsed = self.validate(document, roles=_roles_of(requester))
        reference = GraphReference(graph_id, requester, if_match)
        return graph_changes.add_version(
            current_app_state(), reference, parsed.name, document, author
        )

    def versions(
        self,
        graph_id: Id,
        requester: Requester = None,
        *,
        before: int | None = None,
        limit: int = 50,
    ) -> t.Sequence[GraphVersionMixin]:
        """Return the versions of a graph, newest first, without their documents.

        :param before: return only versions that are older than this one.
        :raises NotFound: if there is no such graph, or not for *requester*.
        :raises InvalidRequest: if *limit* is not from 1 to 200, or *before* is not a valid number.
        """
        page = load(VersionPageQuerySchema(), {"before": before, "limit": limit})
        return list_versions(current_app_state(), graph_id, requester, **page)

    def diff(
        self, graph_id: Id, older: int, newer: int | None = None, requester: Requester = None
    ) -> Difference:
        """Return what changed from version *older* to *newer*, by default the newest one.

        :raises NotFound: if there is no such graph or version, or not for *requester*.
        :raises InvalidRequest: if a version is not a valid number.
        """
        given = load(DiffQuerySchema(), {"from": older, "to": newer})
        app_state = current_app_state()
        models = app_state.models
        with app_state.database.read_session() as session:
            graph = find_graph(session, models, graph_id, requester)
            first = find_version(session, models, graph, given["older"])
            second = find_version(session, models, graph, given["newer"])
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
        """Store one version of a graph, by default the newest, as a new graph of *user_id*.

        :param name: name of the copy; by default that of the original.
        :raises NotFound: if there is no such graph or version, or not for *requester*.
        :raises PreconditionFailed: if that version does not match *if_match*.
        :raises InvalidGraph: if *name* is not valid, or a tool or model is not registered any more.
        :raises InvalidRequest: if *version* is not a valid number, or *user_id* not a valid id.
        :raises TooManyGraphs: if *user_id* may have no more graphs.
        """
        given = load(CopySchema(), {"name": name, "version": version})
        stored = self.get(graph_id, requester, version=given["version"])
        require_match(if_match, *stored)
        renamed = {} if name is None else {"name": name}
        document = {**stored.version.document, **renamed}
        return self.create(document, user_id, roles=_roles_of(requester))

    def delete(
        self, graph_id: Id, requester: Requester = None, *, if_match: str | None = None
    ) -> None:
        """Archive a graph, as :meth:`archive` does; its executions stay readable.

        :raises NotFound: if there is none that is not archived, or not for *requester*.
        :raises PreconditionFailed: if it does not match *if_match*.
        """
        reference = GraphReference(graph_id, requester, if_match)
        graph_changes.delete(current_app_state(), reference)

    def archive(
        self, graph_id: Id, requester: Requester = None, *, if_match: str | None = None
    ) -> StoredGraph:
        """Archive a graph: it cannot be queued until :meth:`restore` is called.

        It is deleted once it is older than ``CREWEXEC_KEEP_FOR`` and has no executions left.

        :raises NotFound: if there is none, or not for *requester*.
        :raises PreconditionFailed: if it does not match *if_match*.
        :raises WrongState: if it is archived already.
        """
        reference = GraphReference(graph_id, requester, if_match)
        return graph_changes.change_archived(
            current_app_state(), reference, graph_transitions.archive, "It is archived already."
        )

    def restore(
        self, graph_id: Id, requester: Requester = None, *, if_match: str | None = None
    ) -> StoredGraph:
        """Restore an archived graph.

        :raises NotFound: if there is none, or not for *requester*.
        :raises PreconditionFailed: if it does not match *if_match*.
        :raises WrongState: if it is not archived.
        """
        reference = GraphReference(graph_id, requester, if_match)
        return graph_changes.change_archived(
            current_app_state(), reference, graph_transitions.restore, "It is not archived."
        )


def _roles_of(requester: Requester) -> Roles:
    return None if requester is None else requester.roles
