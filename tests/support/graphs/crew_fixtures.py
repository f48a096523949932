"""The same crews in every format: the folders in ``fixtures/crews``."""

from __future__ import annotations

import json
import typing as t

from flask_crewexec.graphs import AgentNode
from flask_crewexec.graphs import Graph
from flask_crewexec.graphs import LlmNode
from flask_crewexec.graphs import parse
from support.paths import TESTS

Json = dict[str, t.Any]

_FOLDER = TESTS / "fixtures/crews"
CREWS = tuple(sorted(path.name for path in _FOLDER.iterdir()))
PLACES = {
    "crewai": "crewai",
    "crewai-yaml": "classic",
    "reactflow": "reactflow.json",
    "crewai-studio": "studio.json",
    "langflow": "langflow.json",
}
"""Where the folder of a crew has each format of imports."""
MODELS = {"openai/gpt-4o-mini": "default", "openai/gpt-4o": "streaming"}
"""What the host of the tests calls the models in the files."""
OPTIONS: dict[str, Json] = {
    "newsroom": {"process": "hierarchical", "manager_agent": "chief"},
    "board": {
        "process": "hierarchical",
        "manager_llm": "openai/gpt-4o",
    },
}
"""What ``crew.py`` says of a crew in classic YAML."""


def document_of(crew: str) -> Json:
    """Return a crew in our own language."""
    return t.cast(Json, json.loads((_FOLDER / crew / "graph.json").read_text()))


def files_of(crew: str, format: str) -> dict[str, str]:
    """Return the texts of a crew in one of the formats."""
    place = _FOLDER / crew / PLACES[format]
    if place.is_file():
        return {place.name: place.read_text()}
    paths = sorted(path for path in place.rglob("*") if path.is_file())
    return {path.relative_to(place).as_posix(): path.read_text() for path in paths}


def options_of(crew: str, format: str) -> Json:
    """Return what the files of a format do not say, and an import takes besides."""
    if format != "crewai-yaml":
        return {}
    return {"name": document_of(crew)["name"], **OPTIONS.get(crew, {})}


def differing(one: Json, other: Json) -> set[str]:
    """Return what two documents do not say alike; ids of nodes mean nothing."""
    first, second = _said(parse(one)), _said(parse(other))
    return {aspect for aspect in first if first[aspect] != second[aspect]}


def _said(graph: Graph) -> Json:
    agents, tasks = graph.agents, graph.tasks
    place = {task.id: at for at, task in enumerate(tasks)}
    roles = {agent.id: agent.role for agent in agents}
    return {
        "name": graph.name,
        "process": graph.process,
        "manager": _manager(graph.manager),
        "agents": [(agent.role, agent.goal, agent.backstory) for agent in agents],
        "delegation": [agent.allow_delegation for agent in agents],
        "max_iter": [agent.max_iter for agent in agents],
        "models": [agent.llm and (agent.llm.name, agent.llm.temperature) for agent in agents],
        "max_tokens": [agent.llm and agent.llm.max_tokens for agent in agents],
        "agents' tools": [sorted(agent.tools) for agent in agents],
        "tasks": [(task.description, task.expected_output) for task in tasks],
        "tasks' names": [task.name for task in tasks],
        "tasks' agents": [roles.get(task.agent_id or "") for task in tasks],
        "tasks' tools": [sorted(task.tools) for task in tasks],
        "context": [[place[id] for id in task.context] for task in tasks],
    }


def _manager(manager: AgentNode | LlmNode | None) -> object:
    if isinstance(manager, AgentNode):
        return manager.role, manager.goal, manager.backstory, manager.allow_delegation
    return manager and (manager.name, manager.temperature)
