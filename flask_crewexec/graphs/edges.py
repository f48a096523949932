"""The meanings of edges, which follow from the types of their ends."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import Problem
from . import reactflow
from .problem_messages import listing
from .problem_messages import quote
from .schema import Draft
from .schema import EdgeDraft
from .schema import NodeDraft

Meaning = t.Literal["assign", "context", "tool", "llm", "manager", "coworker"]

# An edge without a type has the first meaning; between two agents it must be written.
_MEANINGS: t.Final[dict[tuple[str, str], tuple[Meaning, ...]]] = {
    ("agent", "task"): ("assign",),
    ("task", "task"): ("context",),
    ("tool", "agent"): ("tool",),
    ("tool", "task"): ("tool",),
    ("llm", "agent"): ("llm", "manager"),
    ("agent", "agent"): ("manager", "coworker"),
}


class ResolvedEdge(t.NamedTuple):
    """An edge between two existing nodes, with its meaning."""

    pointer: str
    source: NodeDraft
    target: NodeDraft
    meaning: Meaning


@dataclass(frozen=True)
class LinkedDraft:
    """A draft with its resolved edges."""

    draft: Draft
    edges: tuple[ResolvedEdge, ...]

    def nodes(self, *types: str) -> list[NodeDraft]:
        """Return the nodes of these types in document order."""
        return [node for node in self.draft.nodes.values() if node.type in types]

    def into(self, node: NodeDraft, meaning: Meaning) -> list[ResolvedEdge]:
        """Return the edges of this meaning that end at ``node``."""
        return self._by_target.get((node.id, meaning), [])

    def out_of(self, node: NodeDraft, meaning: Meaning) -> list[ResolvedEdge]:
        """Return the edges of this meaning that start at ``node``."""
        return self._by_source.get((node.id, meaning), [])

    @functools.cached_property
    def _by_target(self) -> _Edges:
        return _grouped((edge.target, edge) for edge in self.edges)

    @functools.cached_property
    def _by_source(self) -> _Edges:
        return _grouped((edge.source, edge) for edge in self.edges)

    @property
    def manager_edges(self) -> list[ResolvedEdge]:
        """The edges from managers."""
        return [edge for edge in self.edges if edge.meaning == "manager"]


_Edges = dict[tuple[str, Meaning], list[ResolvedEdge]]
"""By the id of the node at one end, and the meaning."""


def _grouped(edges: Iterable[tuple[NodeDraft, ResolvedEdge]]) -> _Edges:
    found: _Edges = {}
    for node, edge in edges:
        found.setdefault((node.id, edge.meaning), []).append(edge)
    return found


def resolve_edges(draft: Draft) -> tuple[LinkedDraft, list[Problem]]:
    """Return the draft with its edges resolved, and the problems of single edges."""
    problems: list[Problem] = []
    edges: dict[tuple[str, str, Meaning], ResolvedEdge] = {}
    for edge in draft.edges:
        end_problems = list(_find_end_problems(edge, draft))
        problems += end_problems
        if end_problems:
            continue
        resolved, type_problems = _resolve_edge(edge, draft)
        problems += type_problems
        key = (edge.source, edge.target, resolved.meaning)
        first = edges.setdefault(key, resolved)
        if first is not resolved:
            detail = f"This edge is a duplicate of {first.pointer}. Remove one of them."
            problems.append(Problem(edge.pointer, "duplicate-edge", detail))
    return LinkedDraft(draft, tuple(edges.values())), problems


def _find_end_problems(edge: EdgeDraft, draft: Draft) -> Iterator[Problem]:
    ends = {"source": edge.source, "target": edge.target}
    missing = {end: node for end, node in ends.items() if node not in draft.nodes}
    for end, node in missing.items():
        detail = f"There is no node {quote(node)}. Add it, or remove the edge."
        yield Problem(f"{edge.pointer}/{end}", "unknown-node", detail)
    if missing:
        return
    if edge.source == edge.target:
        detail = f"The edge connects {quote(edge.source)} with itself. Remove it."
        yield Problem(edge.pointer, "self-loop", detail)
    elif _types(edge, draft) not in _MEANINGS:
        yield Problem(edge.pointer, "impossible-edge", _impossible(*_types(edge, draft)))


def _types(edge: EdgeDraft, draft: Draft) -> tuple[str, str]:
    return draft.nodes[edge.source].type, draft.nodes[edge.target].type


def _impossible(source: str, target: str) -> str:
    meanings = "; ".join(
        f"{start} to {end}: {' or '.join(names)}" for (start, end), names in _MEANINGS.items()
    )
    return f"An edge from {source} to {target} has no meaning. Possible are {meanings}."


def _resolve_edge(edge: EdgeDraft, draft: Draft) -> tuple[ResolvedEdge, list[Problem]]:
    """Resolve an edge even if its type is wrong, so that its ends are not reported as unused."""
    allowed = _MEANINGS[_types(edge, draft)]
    named = None if edge.type in reactflow.EDGE_TYPES else edge.type
    default = None if allowed[0] == "manager" else allowed[0]
    meaning = next((meaning for meaning in allowed if meaning == named), allowed[0])
    source, target = draft.nodes[edge.source], draft.nodes[edge.target]
    resolved = ResolvedEdge(edge.pointer, source, target, meaning)
    if (named or default) == meaning:
        return resolved, []
    return resolved, [_type_problem(edge, named, allowed)]


def _type_problem(edge: EdgeDraft, named: str | None, allowed: tuple[Meaning, ...]) -> Problem:
    if named is None:
        detail = f"An edge between two agents needs the type {' or '.join(map(quote, allowed))}."
        return Problem(edge.pointer, "untyped-edge", detail)
    known = t.get_args(Meaning)
    if named not in known:
        detail = f"There is no edge type {quote(named)}. The types are {listing(known)}."
        return Problem(f"{edge.pointer}/type", "unknown-edge-type", detail)
    detail = f"The edge type {quote(named)} does not fit these nodes. Use {listing(allowed)}."
    return Problem(f"{edge.pointer}/type", "wrong-edge-type", detail)
