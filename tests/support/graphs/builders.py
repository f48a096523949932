"""Documents for the tests of graphs, and what is wrong with them."""

from __future__ import annotations

import typing as t

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import validate

Json = dict[str, t.Any]


def agent(id: str, **data: t.Any) -> Json:
    return {"id": id, "type": "agent", "data": {"role": f"Role {id}", "goal": "Help", **data}}


def task(id: str, **data: t.Any) -> Json:
    data = {"description": "Do it", "expected_output": "A text", **data}
    return {"id": id, "type": "task", "data": data}


def tool(id: str, name: str = "search", **data: t.Any) -> Json:
    return {"id": id, "type": "tool", "data": {"name": name, **data}}


def llm(id: str, name: str = "small", **data: t.Any) -> Json:
    return {"id": id, "type": "llm", "data": {"name": name, **data}}


def edges(*names: str) -> list[Json]:
    """Read ``"a b"`` as an edge from a to b, and ``"a b manager"`` as one with a type."""
    keys = ("source", "target", "type")
    return [dict(zip(keys, name.split(), strict=False)) for name in names]


def document(nodes: list[Json], *edge_names: str, **fields: t.Any) -> Json:
    return {
        "version": 1,
        "name": "A graph",
        "nodes": nodes,
        "edges": edges(*edge_names),
        **fields,
    }


def sequential() -> Json:
    """Nodes 0 and 1 are the agent and the task of edge 0."""
    return document([agent("writer"), task("write")], "writer write")


def hierarchical() -> Json:
    """Nodes: 0 the manager, 1 the agent, 2 the task. Edge 0 manages."""
    nodes = [agent("boss"), agent("writer"), task("write")]
    return document(nodes, "boss writer manager", process="hierarchical")


def problems_of(document: object) -> list[tuple[str, str]]:
    """Return pointer and code of each problem that parsing finds."""
    try:
        parse(document)
    except InvalidGraph as error:
        return [(problem.pointer, problem.code) for problem in error.problems]
    return []


def name_problems_of(
    document: object, tools: t.Collection[str] = ("search",), models: t.Collection[str] = ("small",)
) -> list[tuple[str, str]]:
    """Return pointer and code of each problem that validation finds."""
    try:
        validate(document, Permissions(tools, models))
    except InvalidGraph as error:
        return [(problem.pointer, problem.code) for problem in error.problems]
    return []


def detail_of(document: object) -> str:
    """Return the sentence of the only problem."""
    try:
        parse(document)
    except InvalidGraph as error:
        (problem,) = error.problems
        return problem.detail
    raise AssertionError("the document is valid")
