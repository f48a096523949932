"""From a document to a graph, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection

from ..errors import InvalidGraph
from ..errors import MAX_PROBLEMS
from ..errors import Problem
from .build import build_graph
from .document import Graph
from .links import make_sketch
from .links import Sketch
from .names import find_name_problems
from .names import find_references
from .schema import read_draft
from .structure import find_structure_problems


def parse(document: object) -> Graph:
    """Return the graph that ``document`` describes, whatever tools and models there are.

    :raises InvalidGraph: with every problem of shape and structure.
    """
    sketch, problems = _examine(document)
    return _finish(sketch, problems)


def validate(
    document: object,
    tools: Collection[str],
    models: Collection[str],
    guardrails: Collection[str] = (),
    predicates: Collection[str] = (),
) -> Graph:
    """Return the graph that ``document`` describes, if all that it names is registered.

    :raises InvalidGraph: with every problem of shape, structure and names.
    """
    sketch, problems = _examine(document)
    if sketch:
        problems += find_name_problems(
            find_references(sketch), tools, models, guardrails, predicates
        )
    return _finish(sketch, problems)


def check_names(
    graph: Graph,
    tools: Collection[str],
    models: Collection[str],
    guardrails: Collection[str] = (),
    predicates: Collection[str] = (),
) -> list[Problem]:
    """Return a problem for each use of something that is not registered."""
    return find_name_problems(graph.references, tools, models, guardrails, predicates)


def _examine(document: object) -> tuple[Sketch | None, list[Problem]]:
    draft, problems = read_draft(document)
    if draft is None:
        return None, problems
    sketch, edge_problems = make_sketch(draft)
    return sketch, [*problems, *edge_problems, *find_structure_problems(sketch)]


def _finish(sketch: Sketch | None, problems: list[Problem]) -> Graph:
    if problems or sketch is None:
        detail = f"The graph has {_count(problems)}: {problems[0].detail}"
        raise InvalidGraph(detail, problems)
    return build_graph(sketch)


def _count(problems: list[Problem]) -> str:
    if len(problems) > MAX_PROBLEMS:
        return f"more than {MAX_PROBLEMS} problems"
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
