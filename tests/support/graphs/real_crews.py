"""Crews as people have them: the files of ``fixtures/real_crews``, each with what it becomes.

A file has sections that start with ``=== name``. The first one, ``case.json``, says how it is
imported, and what is expected.
"""

from __future__ import annotations

import json
import re
import typing as t

from flask_crewexec.graphs import AgentNode
from flask_crewexec.graphs import Graph
from flask_crewexec.graphs import TaskNode
from support.paths import TESTS

Json = dict[str, t.Any]

_FOLDER = TESTS / "fixtures/real_crews"
NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.txt")))


class RealCrew(t.NamedTuple):
    """The files of a crew, and how they are imported."""

    files: dict[str, str]
    case: Json

    @property
    def format(self) -> str:
        """Format of the import."""
        return str(self.case.get("format", "crewai"))

    @property
    def options(self) -> Json:
        """Options of the import."""
        return t.cast(Json, self.case.get("options", {}))


def real_crew(name: str) -> RealCrew:
    """Return one of :data:`NAMES`."""
    _, *parts = re.split(r"^=== (.+)\n", (_FOLDER / f"{name}.txt").read_text(), flags=re.MULTILINE)
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    return RealCrew(files, json.loads(files.pop("case.json")))


def told(graph: Graph) -> list[str]:
    """Return a line for each agent and task of a graph."""
    return [
        f"{graph.name}, {graph.process}",
        *(_agent(agent) for agent in graph.agents),
        *([f"manager {_manager(graph)}"] if graph.manager else []),
        *(_task(task, graph) for task in graph.tasks),
    ]


def _manager(graph: Graph) -> str:
    node = graph.manager
    return node.role if isinstance(node, AgentNode) else f"on {node.name if node else ''}"


def _agent(agent: AgentNode) -> str:
    model = agent.llm.name if agent.llm else "default"
    parts = [f"agent {agent.role}", f"on {model}"]
    parts += [f"temperature {agent.llm.temperature}"] if agent.llm and agent.llm.temperature else []
    parts += [f"uses {', '.join(agent.tools)}"] if agent.tools else []
    parts += [f"plans {agent.max_reasoning_attempts}"] if agent.reasoning else []
    parts += ["delegates"] if agent.allow_delegation else []
    return "; ".join(parts)


def _task(task: TaskNode, graph: Graph) -> str:
    roles = {agent.id: agent.role for agent in graph.agents}
    names = {each.id: each.name for each in graph.tasks}
    parts = [f"task {task.name}", f"by {roles.get(task.agent_id or '', 'anybody')}"]
    parts += [f"reads {', '.join(names[id] for id in task.context)}"] if task.context else []
    parts += [f"uses {', '.join(task.tools)}"] if task.tools else []
    parts += [f"fits {', '.join(task.output_schema['properties'])}"] if task.output_schema else []
    checks = ", ".join(each.label for each in task.guardrails)
    parts += [f"checked by {checks}"] if checks else []
    parts += [f"if {task.condition}"] if task.condition else []
    parts += ["async"] if task.is_async else []
    return "; ".join(parts)
