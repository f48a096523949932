"""Pages of graphs: the list, one graph with its drawing, its versions and their differences."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from types import MappingProxyType

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..errors import CrewExecError
from ..schemas import DiffQuerySchema
from ..schemas import GraphQuerySchema
from ..schemas import load
from ..schemas import VersionPageQuerySchema
from ..services.graph_changes import StoredGraph
from ..services.graph_service import GraphService
from ..web.authentication import current_identity
from .change_descriptions import describe_changes
from .graph_view import GraphView
from .templating import render

PAGE: t.Final = 25

_service: t.Final = GraphService()


def list_graphs() -> str:
    """List graphs, newest first; archived ones apart."""
    requester, given = current_identity(), _given("archived", "before")
    query = load(GraphQuerySchema(), {"limit": PAGE, **given})
    found = _service.list(requester, **query)
    return render(
        "graphs.html",
        requester,
        graphs=found,
        archived=query["archived"],
        is_first=query["before"] is None,
        older=found[-1].id if len(found) == query["limit"] else None,
    )


def show_graph(graph_id: str) -> str:
    """Show a graph with its drawing and tasks, in the newest version or another."""
    return render_graph(_service.get(graph_id, current_identity(), **_given("version")))


def render_graph(
    stored: StoredGraph,
    entered: Mapping[str, str] = MappingProxyType({}),
    error: CrewExecError | None = None,
) -> str:
    """Return the page of a graph, with what was entered into its form and why it was refused."""
    requester, registry = current_identity(), current_app_state().registry
    view = GraphView.of(stored, requester, registry, entered, error)
    return render("graph_page.html", requester, view=view)


def list_graph_versions(graph_id: str) -> str:
    """List the versions of a graph, newest first."""
    requester = current_identity()
    query = load(VersionPageQuerySchema(), {"limit": PAGE, **_given("before")})
    found = _service.versions(graph_id, requester, **query)
    more = len(found) == query["limit"] and found[-1].number > 1
    return render(
        "graph_versions.html",
        requester,
        graph=_service.get(graph_id, requester).graph,
        versions=found,
        older=found[-1].number if more else None,
    )


def show_graph_changes(graph_id: str) -> str:
    """Show what changed from one version of a graph to another, in words."""
    requester, query = current_identity(), load(DiffQuerySchema(), _given("from", "to"))
    older = _service.get(graph_id, requester, version=query["older"])
    newer = _service.get(graph_id, requester, version=query["newer"])
    return render(
        "graph_changes.html",
        requester,
        graph=newer.graph,
        older=older.version,
        newer=newer.version,
        changes=describe_changes(older.version.document, newer.version.document),
    )


def archive_graph(graph_id: str) -> ResponseReturnValue:
    """Archive a graph, and redirect to the list."""
    _service.archive(graph_id, current_identity())
    return redirect(url_for(".list_graphs"), 303)


def restore_graph(graph_id: str) -> ResponseReturnValue:
    """Restore an archived graph, and redirect to its page."""
    _service.restore(graph_id, current_identity())
    return redirect(url_for(".show_graph", graph_id=graph_id), 303)


def _given(*names: str) -> dict[str, t.Any]:
    """Return the parameters of the address that are not empty."""
    return {name: request.args[name] for name in names if request.args.get(name)}


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages of graphs to *blueprint*."""
    one = "/graphs/<graph_id>"
    blueprint.get("/graphs")(list_graphs)
    blueprint.get(one)(show_graph)
    blueprint.get(f"{one}/versions")(list_graph_versions)
    blueprint.get(f"{one}/changes")(show_graph_changes)
    blueprint.post(f"{one}/archive")(archive_graph)
    blueprint.post(f"{one}/restore")(restore_graph)
