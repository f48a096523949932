"""The form on the page of a graph that runs it."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..errors import CrewExecError
from ..errors import NotFound
from ..errors import WrongState
from ..graphs import Graph
from ..graphs import parse
from ..identity import Identity
from ..services.async_execution_service import AsyncExecutionService
from ..services.graph_changes import StoredGraph
from ..services.graph_service import GraphService
from ..web.authentication import current_identity
from ..web.extra_columns import extra_of_request
from .answer_forms import read_entered
from .graph_views import render_graph
from .run_form import read_form
from .run_form import submission_key

_executions: t.Final = AsyncExecutionService()
_graphs: t.Final = GraphService()


def run_graph(graph_id: str) -> ResponseReturnValue:
    """Queue a run of a graph, and redirect to the execution; or show the form with its problems."""
    requester, entered = current_identity(), read_entered(request.form)
    stored = _graphs.get(graph_id, requester)
    try:
        _require_version(stored, entered.get("version"))
        execution_id = _queue(stored, parse(stored.version.document), requester, entered)
    except NotFound:
        raise
    except CrewExecError as error:
        return render_graph(stored, entered, error), error.status
    return redirect(url_for(".show_execution", execution_id=execution_id), 303)


def _require_version(stored: StoredGraph, shown: str | None) -> None:
    """Check that the form was made for the version that would run.

    :raises WrongState: if the graph has a newer one.
    """
    if shown is not None and shown != str(stored.version.number):
        raise WrongState(
            f"The graph has changed: this is version {stored.version.number}, and you have seen"
            f" version {shown}. Check the inputs, and run it again."
        )


def _queue(stored: StoredGraph, graph: Graph, requester: Identity, entered: dict[str, str]) -> str:
    storages = sorted(current_app_state().registry.storages)
    content = read_form(graph, storages, entered)
    return _executions.for_user(requester).queue_execution(
        stored.graph.id,
        inputs=content.inputs,
        idempotency_key=submission_key(entered, content),
        extra=extra_of_request(),
        **content.options,
    )


def add_routes(blueprint: Blueprint) -> None:
    """Add the form's address to *blueprint*."""
    blueprint.post("/graphs/<graph_id>/run")(run_graph)
