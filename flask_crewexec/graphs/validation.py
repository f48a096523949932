"""From a document to a graph, or to everything that is wrong with it."""

from __future__ import annotations

from ..errors import InvalidGraph
from ..errors import MAX_PROBLEMS
from ..errors import Problem
from .builder import build_graph
from .edges import LinkedDraft
from .edges import resolve_edges
from .graph import Graph
from .input_references import find_use_problems
from .permissions import Permissions
from .references import find_name_problems
from .references import find_references
from .role_limits import find_limit_problems
from .schema import read_draft
from .structure import find_structure_problems


def parse(document: object) -> Graph:
    """Return the graph that ``document`` describes, whatever tools and models there are.

    :raises InvalidGraph: with every problem of shape and structure.
    """
    sketch, problems = _examine(document)
    return _finish(sketch, problems)


def validate(document: object, permissions: Permissions) -> Graph:
    """Return the graph that ``document`` describes, if all that it names may be used.

    :raises InvalidGraph: with every problem of shape, structure and names.
    """
    sketch, problems = _examine(document)
    if sketch:
        references = [*find_references(sketch)]
        problems += find_name_problems(references, permissions)
        problems += find_limit_problems(references, permissions.role_limits)
    return _finish(sketch, problems)


def check_names(graph: Graph, permissions: Permissions) -> list[Problem]:
    """Return a problem for each use of something that may not be used."""
    return find_name_problems(graph.references, permissions)


def check_use(graph: Graph, permissions: Permissions) -> None:
    """Check of a parsed graph what :func:`validate` checks beyond its shape and structure.

    :raises InvalidGraph: with every problem of names.
    """
    problems = check_names(graph, permissions)
    problems += find_limit_problems(graph.references, permissions.role_limits)
    if problems:
        raise _refusal(problems)


def _examine(document: object) -> tuple[LinkedDraft | None, list[Problem]]:
    draft, problems = read_draft(document)
    if draft is None:
        return None, problems
    sketch, edge_problems = resolve_edges(draft)
    problems += [*edge_problems, *find_structure_problems(sketch), *find_use_problems(draft)]
    return sketch, problems


def _finish(sketch: LinkedDraft | None, problems: list[Problem]) -> Graph:
    if problems or sketch is None:
        raise _refusal(problems)
    return build_graph(sketch)


def _refusal(problems: list[Problem]) -> InvalidGraph:
    return InvalidGraph(f"The graph has {_count(problems)}: {problems[0].detail}", problems)


def _count(problems: list[Problem]) -> str:
    if len(problems) > MAX_PROBLEMS:
        return f"more than {MAX_PROBLEMS} problems"
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
