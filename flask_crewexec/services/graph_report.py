"""Validation report of a graph document, and preview of its execution."""

from __future__ import annotations

import typing as t
from collections.abc import Collection

from .. import graphs
from ..app_state import AppState
from ..errors import InvalidGraph

Json = dict[str, t.Any]


def validation_report(
    app_state: AppState, document: object, roles: Collection[str] | None = None
) -> Json:
    """Return the problems of *document*, or what it needs and how it would run."""
    allowed = app_state.registry.permissions_for(roles)
    try:
        graph = graphs.validate(document, allowed)
    except InvalidGraph as error:
        return _invalid_report(
            {**problem._asdict(), "hint": graphs.find_hint(problem, document, allowed)}
            for problem in error.problems
        )
    return {
        "valid": True,
        "problems": [],
        "inputs": list(graph.inputs),
        "inputs_schema": graphs.inputs_schema(graph, app_state.registry.storages),
        **execution_preview(graph, app_state.settings.max_llm_calls),
    }


def execution_preview(graph: graphs.Graph, max_llm_calls: int | None) -> Json:
    """Return the order of the tasks, and the estimated number of model calls."""
    calls = graph.model_calls.within(max_llm_calls)
    return {"order": [task.id for task in graph.tasks], "model_calls": calls._asdict()}


def _invalid_report(problems: t.Iterable[Json]) -> Json:
    return {
        "valid": False,
        "problems": list(problems),
        "inputs": [],
        "inputs_schema": None,
        "order": [],
        "model_calls": None,
    }
