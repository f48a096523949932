"""Graph documents for tests."""

from __future__ import annotations

import itertools
import typing as t

Document = dict[str, t.Any]


def agent(id: str, **data: object) -> Document:
    return {"id": id, "type": "agent", "data": {"role": id.title(), "goal": "Do well", **data}}


def task(id: str, description: str | None = None) -> Document:
    told = description or f"Do {id}"
    return {"id": id, "type": "task", "data": {"description": told, "expected_output": "text"}}


def named(id: str, type: str, name: str | None = None) -> Document:
    return {"id": id, "type": type, "data": {"name": name or id}}


def crew(nodes: list[Document], edges: list[str], **more: object) -> Document:
    """A document; an edge is written ``"source target"`` or ``"source target type"``."""
    keys = ("source", "target", "type")
    ends = [dict(zip(keys, edge.split(), strict=False)) for edge in edges]
    return {"version": 1, "name": "test crew", "nodes": nodes, "edges": ends, **more}


def chain(*tasks: str, tools: tuple[str, ...] = (), model: str | None = None) -> Document:
    """One agent, and tasks of which each reads the one before."""
    nodes = [agent("writer"), *(task(id) for id in tasks)]
    edges = [f"writer {id}" for id in tasks]
    edges += [f"{a} {b}" for a, b in itertools.pairwise(tasks)]
    for tool in tools:
        nodes.append(named(tool, "tool"))
        edges.append(f"{tool} writer")
    if model:
        nodes.append(named(model, "llm"))
        edges.append(f"{model} writer")
    return crew(nodes, edges)


def with_data(document: Document, id: str, **data: object) -> Document:
    """The document, with more data for the node *id*."""
    (node,) = (node for node in document["nodes"] if node["id"] == id)
    node["data"] |= data
    return document


ONE_TASK = crew([agent("writer"), task("tell", "Tell about {topic}")], ["writer tell"])
"""Needs the input ``topic``."""
