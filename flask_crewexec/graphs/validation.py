"""Checks documents, and turns valid ones into graphs."""

from __future__ import annotations

from ..errors import InvalidGraph
from ..errors import MAX_PROBLEMS
from ..errors import Problem
from .builder import build_graph
from .edges import LinkedDraft
from .edges import resolve_edges
from .graph import Graph
from .input_references import find_placeholder_problems
from .permissions import Permissions
from .references import find_name_problems
from .references import find_references
from .role_limits import find_limit_problems
from .schema import read_draft
from .structure import find_structure_problems


def parse(document: object) -> Graph:
    """Return the graph that ``document`` describes, without checking names of tools and models.

    :raises InvalidGraph: with all problems of shape and structure.
    """
    linked, problems = _examine(document)
    return _build_or_raise(linked, problems)


def validate(document: object, permissions: Permissions) -> Graph:
    """Return the graph that ``document`` describes, if it may use all that it names.

    :raises InvalidGraph: with all problems of shape, structure and names.
    """
    linked, problems = _examine(document)
    if linked:
        references = [*find_references(linked)]
        problems += find_name_problems(references, permissions)
        problems += find_limit_problems(references, permissions.role_limits)
    return _build_or_raise(linked, problems)


def check_names(graph: Graph, permissions: Permissions) -> list[Problem]:
    """Return a problem for each name that the graph may not use."""
    return find_name_problems(graph.references, permissions)


def check_use(graph: Graph, permissions: Permissions) -> None:
    """Check the names and limits of a parsed graph, as :func:`validate` does.

    :raises InvalidGraph: with all problems of names.
    """
    problems = check_names(graph, permissions)
    problems += find_limit_problems(graph.references, permissions.role_limits)
    if problems:
        raise _invalid_graph(problems)


def _examine(document: object) -> tuple[LinkedDraft | None, list[Problem]]:
    draft, problems = read_draft(document)
    if draft is None:
        return None, problems
    linked, edge_problems = resolve_edges(draft)
    problems += [
        *edge_problems,
        *find_structure_problems(linked),
        *find_placeholder_problems(draft),
    ]
    return linked, problems


def _build_or_raise(linked: LinkedDraft | None, problems: list[Problem]) -> Graph:
    if problems or linked is None:
        raise _invalid_graph(problems)
    return build_graph(linked)


def _invalid_graph(problems: list[Problem]) -> InvalidGraph:
    return InvalidGraph(f"The graph has {_count(problems)}: {problems[0].detail}", problems)


def _count(problems: list[Problem]) -> str:
    if len(problems) > MAX_PROBLEMS:
        return f"more than {MAX_PROBLEMS} problems"
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
