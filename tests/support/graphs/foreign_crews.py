"""Crews for the tests of imports and exports, and what is wrong with changed ones."""

from __future__ import annotations

import json
import typing as t

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import AgentNode
from flask_crewexec.graphs import Graph
from flask_crewexec.graphs import LlmNode
from flask_crewexec.graphs import parse
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Imported
from flask_crewexec.graphs.importers import Options
from support.paths import TESTS

Json = dict[str, t.Any]

_CREWS = TESTS / "fixtures/foreign_crews"


def files_of(crew: str) -> dict[str, str]:
    """Return the texts of one of ``tests/fixtures/foreign_crews``, such as ``"crewai/chain"``."""
    root = _CREWS / crew
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths}


def names_in(folder: str) -> list[str]:
    """Return the names of the crews of a format."""
    return sorted(path.name for path in (_CREWS / folder).iterdir())


def crewai(crew: Json, **agents: Json) -> dict[str, str]:
    """Return the files of a CrewAI project."""
    texts = {f"agents/{name}.jsonc": json.dumps(agent) for name, agent in agents.items()}
    return {"crew.jsonc": json.dumps(crew), **texts}


def small(**more: t.Any) -> Json:
    """A crew with the agent ``ann`` inside and one task; *more* are fields of the crew."""
    agents = {"ann": {"role": "Ann", "goal": "Help", "backstory": "Old"}}
    tasks = [{"name": "do", "description": "Do it", "expected_output": "Text", "agent": "ann"}]
    return {"name": "Small", "agents": agents, "tasks": tasks, **more}


def with_agent(**more: t.Any) -> Json:
    """The small crew; *more* are fields of its agent."""
    crew = small()
    crew["agents"]["ann"].update(more)
    return crew


def with_task(**more: t.Any) -> Json:
    """The small crew; *more* are fields of its task."""
    crew = small()
    crew["tasks"][0].update(more)
    return crew


def imported(crew: Json, **options: t.Any) -> Imported:
    return import_files("crewai", crewai(crew), Options(**options))


def problems_of(format: str, files: t.Any, **options: t.Any) -> list[tuple[str, str]]:
    """Return pointer and code of each problem."""
    try:
        import_files(format, files, Options(**options))
    except InvalidGraph as error:
        return [(problem.pointer, problem.code) for problem in error.problems]
    return []


def crew_problems(crew: Json) -> list[tuple[str, str]]:
    """Return place in ``crew.jsonc`` and code of each problem."""
    start = "/files/crew.jsonc"
    found = problems_of("crewai", crewai(crew))
    assert all(pointer.startswith(start) for pointer, _ in found)
    return [(pointer.removeprefix(start), code) for pointer, code in found]


def crew_notes(crew: Json) -> list[tuple[str, str, str]]:
    """Return place in ``crew.jsonc``, code and severity of each note."""
    return [(note.pointer, note.code, note.severity) for note in imported(crew).notes]


def meaning(document: Json) -> Json:
    """Return everything that a document says, without the ids of its nodes."""
    graph = parse(document)
    return {
        "name": graph.name,
        "process": graph.process,
        "agents": [_agent(agent) for agent in graph.agents],
        "tasks": _tasks(graph),
        "manager": _manager(graph.manager),
        "inputs": {each.name: (each.default, each.required) for each in graph.declared},
        "planner": graph.planner,
    }


def _manager(node: AgentNode | LlmNode | None) -> object:
    return _agent(node) if isinstance(node, AgentNode) else _llm(node)


def _agent(node: AgentNode) -> Json:
    texts = (node.role, node.goal, node.backstory)
    options = (node.allow_delegation, node.max_iter, node.inject_date)
    reasoning = (node.reasoning, node.max_reasoning_attempts)
    fields = (*texts, *options, *reasoning)
    return {"fields": fields, "llm": _llm(node.llm), "tools": sorted(node.tools)}


def _llm(node: LlmNode | None) -> object:
    return node and (node.name, node.temperature, node.max_tokens)


def _tasks(graph: Graph) -> list[Json]:
    roles = {agent.id: agent.role for agent in graph.agents}
    names = {task.id: task.name for task in graph.tasks}
    return [
        {
            "fields": (task.name, task.description, task.expected_output),
            "agent": roles.get(task.agent_id or ""),
            "context": [names[id] for id in task.context],
            "tools": sorted(task.tools),
            "form": (task.markdown, task.output_schema, task.is_async, task.condition),
            "guardrails": (task.guardrails, task.guardrail_max_retries),
        }
        for task in graph.tasks
    ]
