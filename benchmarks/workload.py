"""The crews that are run, the same for ours and for the references."""

from __future__ import annotations

import itertools
import typing as t
import uuid

Json = dict[str, t.Any]


def definition(tasks: int) -> Json:
    """Return the plain service's definition of a crew with one agent for each task."""
    numbers = range(1, tasks + 1)
    return {
        "agents": {f"agent{number}": _agent(number) for number in numbers},
        "tasks": [
            {"name": f"task{number}", "agent": f"agent{number}", **_task(number)}
            for number in numbers
        ],
    }


def document(tasks: int) -> Json:
    """Return the same crew as a graph document."""
    numbers = range(1, tasks + 1)
    agents = [{"id": f"agent{n}", "type": "agent", "data": _agent(n)} for n in numbers]
    nodes = [{"id": f"task{n}", "type": "task", "data": _task(n)} for n in numbers]
    edges = [{"source": f"agent{n}", "target": f"task{n}"} for n in numbers]
    order = [{"source": f"task{a}", "target": f"task{b}"} for a, b in itertools.pairwise(numbers)]
    name = f"crew of {tasks}"
    return {"version": 1, "name": name, "nodes": agents + nodes, "edges": edges + order}


def with_tool(tasks: int, name: str) -> Json:
    """Return the crew as a graph document in which all agents have a tool.

    The model calls it twice in each task.
    """
    graph = document(tasks)
    graph["nodes"].append({"id": name, "type": "tool", "data": {"name": name}})
    graph["edges"] += [{"source": name, "target": f"agent{n}"} for n in range(1, tasks + 1)]
    return graph


def reviewed(tasks: int) -> Json:
    """Return the crew as a graph document in which a person reviews the first task."""
    graph = document(tasks)
    first = next(node for node in graph["nodes"] if node["id"] == "task1")
    first["data"]["human_input"] = True
    return graph


def mark() -> str:
    """Return a topic by which the model recognises the calls of a crew."""
    return f"crew-{uuid.uuid4().hex}"


def _agent(number: int) -> Json:
    return {
        "role": f"Writer {number}",
        "goal": "Write well about {topic}",
        "backstory": "You have written for many years.",
    }


def _task(number: int) -> Json:
    return {
        "description": f"Write part {number} about {{topic}}.",
        "expected_output": "A short text.",
    }
