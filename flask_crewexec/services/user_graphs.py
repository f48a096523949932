"""The graphs of one user, for the views of the host."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping
from collections.abc import Sequence

from ..identity import Identity
from ..identity import IdentityLike
from ..identity import require_identity
from ..models import GraphMixin
from ..models import GraphVersionMixin
from ..storage.graph_queries import Id
from .graph_changes import StoredGraph

if t.TYPE_CHECKING:
    from .graph_service import Difference
    from .graph_service import GraphService

Document = Mapping[str, t.Any]


class UserGraphs:
    """What one user may do with graphs.

    :meth:`~flask_crewexec.GraphService.for_user` returns it.

    A graph that the user may not see does not exist here, and documents may name what the user's
    roles allow. Each method also raises what the method of :class:`~flask_crewexec.GraphService`
    with the same name does.
    """

    def __init__(self, service: GraphService, user: IdentityLike) -> None:
        self._service = service
        self._requester = require_identity(user)

    @property
    def requester(self) -> Identity:
        """The user."""
        return self._requester

    def report(self, document: object) -> dict[str, t.Any]:
        """Return the problems of a document, or what it needs and how it would run, as JSON."""
        return self._service.report(document, roles=self._requester.roles)

    def create(self, document: Document) -> StoredGraph:
        """Store a new graph of the user."""
        user = self._requester
        return self._service.create(document, user.user_id, roles=user.roles)

    def get(self, graph_id: Id, *, version: int | None = None) -> StoredGraph:
        """Return a graph with one of its versions, the newest one by default."""
        return self._service.get(graph_id, self._requester, version=version)

    def list(
        self, *, before: uuid.UUID | None = None, limit: int = 50, archived: bool = False
    ) -> list[GraphMixin]:
        """Return graphs, newest first."""
        return self._service.list(self._requester, before=before, limit=limit, archived=archived)

    def update(
        self, graph_id: Id, document: Document, *, if_match: str | None = None
    ) -> StoredGraph:
        """Make *document* the newest version, with the user as its author."""
        user = self._requester
        return self._service.update(graph_id, document, user.user_id, user, if_match=if_match)

    def versions(
        self, graph_id: Id, *, before: int | None = None, limit: int = 50
    ) -> Sequence[GraphVersionMixin]:
        """Return the versions of a graph, newest first, without their documents."""
        return self._service.versions(graph_id, self._requester, before=before, limit=limit)

    def diff(self, graph_id: Id, older: int, newer: int | None = None) -> Difference:
        """Return what changed from version *older* to *newer*, by default the newest one."""
        return self._service.diff(graph_id, older, newer, self._requester)

    def copy(
        self,
        graph_id: Id,
        *,
        name: str | None = None,
        version: int | None = None,
        if_match: str | None = None,
    ) -> StoredGraph:
        """Store one version of a graph, by default the newest, as a new graph of the user."""
        user = self._requester
        return self._service.copy(
            graph_id, user.user_id, user, name=name, version=version, if_match=if_match
        )

    def archive(self, graph_id: Id, *, if_match: str | None = None) -> StoredGraph:
        """Archive a graph: it cannot be queued until :meth:`restore` is called."""
        return self._service.archive(graph_id, self._requester, if_match=if_match)

    def restore(self, graph_id: Id, *, if_match: str | None = None) -> StoredGraph:
        """Restore an archived graph."""
        return self._service.restore(graph_id, self._requester, if_match=if_match)
