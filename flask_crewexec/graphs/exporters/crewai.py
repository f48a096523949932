"""Exports graphs as CrewAI's ``crew.jsonc`` and ``agents/<name>.jsonc``.

Importing the files gives an equivalent graph; ids of nodes may differ.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import InvalidGraph
from ...errors import Note
from ...errors import Problem
from ..graph import AgentNode
from ..graph import DEFAULT_MODEL
from ..graph import Graph
from ..graph import Guardrail
from ..graph import LlmNode
from ..graph import Reference
from ..graph import TaskNode
from ..importers.import_result import Json
from ..input_values import defaults_of
from ..problem_messages import quote
from ..validation import parse
from .crewai_notes import input_notes
from .crewai_notes import layout_notes
from .crewai_notes import name_notes
from .crewai_notes import review_notes
from .stand_ins import function_reference
from .stand_ins import stand_ins
from .stand_ins import tool_reference

_GUARDRAIL_MAX_RETRIES: t.Final = 3
"""CrewAI's default of a task's ``guardrail_max_retries``."""


@dataclass(frozen=True)
class Exported:
    """The result of an export."""

    files: Mapping[str, str]
    """Texts by name of the file, such as ``agents/writer.jsonc``."""
    notes: tuple[Note, ...]
    """Everything that is left out, with pointers into the graph document."""


def export_crewai(document: Mapping[str, t.Any]) -> Exported:
    """Return a valid graph document as the files of a CrewAI project.

    :raises InvalidGraph: with all problems of the document.
    """
    graph = parse(document)
    if problems := [*_find_code_references(graph.references)]:
        raise InvalidGraph(problems[0].detail, problems)
    agents = [*graph.agents]
    if isinstance(graph.manager, AgentNode):
        agents.append(graph.manager)
    names = _file_names(agent.id for agent in agents)
    files = {"crew.jsonc": _crew(graph, names)}
    files.update({f"agents/{names[agent.id]}.jsonc": _agent(agent) for agent in agents})
    texts = {name: _text(value) for name, value in files.items()}
    texts.update(stand_ins(graph.references))
    notes = (
        *layout_notes(document),
        *input_notes(document, graph),
        *review_notes(document),
        *name_notes(graph.references),
    )
    return Exported(texts, notes)


def _find_code_references(references: Iterable[Reference]) -> Iterator[Problem]:
    for each in references:
        if each.kind == "tool" and ":" in each.name:
            detail = (
                f"CrewAI would run the tool {quote(each.name)} as code. Name a registered tool."
            )
            yield Problem(each.pointer, "code-reference", detail)


def _file_names(ids: Iterable[str]) -> dict[str, str]:
    """Return a name for each id, unique also if case is ignored."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for id in ids:
        wanted = name = re.sub(r"[^A-Za-z0-9_.-]", "_", id)
        number = 2
        while name.casefold() in taken:
            name, number = f"{wanted}_{number}", number + 1
        taken.add(name.casefold())
        names[id] = name
    return names


def _crew(graph: Graph, names: Mapping[str, str]) -> Json:
    task_names = {task.id: task.name for task in graph.tasks}
    return {
        "name": graph.name,
        "agents": [names[agent.id] for agent in graph.agents],
        "tasks": [_task(task, names, task_names) for task in graph.tasks],
        "process": graph.process,
        **_manager(graph.manager, names),
        **_planning(graph.planner),
        **_inputs(graph),
    }


def _planning(planner: str | None) -> Json:
    if planner is None:
        return {}
    return {"planning": True, **({} if planner == DEFAULT_MODEL else {"planning_llm": planner})}


def _inputs(graph: Graph) -> Json:
    defaults = defaults_of(graph)
    return {"inputs": defaults} if defaults else {}


def _manager(manager: AgentNode | LlmNode | None, names: Mapping[str, str]) -> Json:
    if manager is None:
        return {}
    if isinstance(manager, AgentNode):
        return {"manager_agent": names[manager.id]}
    return {"manager_llm": _llm(manager)}


def _task(task: TaskNode, names: Mapping[str, str], task_names: Mapping[str, str]) -> Json:
    assigned = {} if task.agent_id is None else {"agent": names[task.agent_id]}
    return {
        "name": task.name,
        **_condition(task),
        "description": task.description,
        "expected_output": task.expected_output,
        **assigned,
        "context": [task_names[id] for id in task.context],
        **_tools(task.tools),
        **_checks(task),
    }


def _checks(task: TaskNode) -> Json:
    """Return the further fields of a task that differ from CrewAI's defaults."""
    fields = {
        "markdown": task.markdown,
        "async_execution": task.is_async,
        "output_json": task.output_schema,
        "human_input": task.review is not None,
        "guardrails": [rule for each in task.guardrails if (rule := _rule(each))],
    }
    retries = task.guardrail_max_retries
    limit = {} if retries == _GUARDRAIL_MAX_RETRIES else {"guardrail_max_retries": retries}
    return {**{name: value for name, value in fields.items() if value}, **limit}


def _rule(guardrail: Guardrail) -> str | Mapping[str, str] | None:
    return guardrail.text or function_reference(guardrail.label)


def _condition(task: TaskNode) -> Json:
    reference = None if task.condition is None else function_reference(task.condition)
    return {"type": "ConditionalTask", "condition": reference} if reference else {}


def _agent(agent: AgentNode) -> Json:
    return {
        "role": agent.role,
        "goal": agent.goal,
        "backstory": agent.backstory,
        **({} if agent.llm is None else {"llm": _llm(agent.llm)}),
        **_tools(agent.tools),
        "allow_delegation": agent.allow_delegation,
        "max_iter": agent.max_iter,
        **_reasoning(agent),
        **({"inject_date": True} if agent.inject_date else {}),
    }


def _reasoning(agent: AgentNode) -> Json:
    if not agent.reasoning:
        return {}
    return {"planning_config": {"max_attempts": agent.max_reasoning_attempts}}


def _tools(names: tuple[str, ...]) -> Json:
    return {"tools": [tool_reference(name) for name in names]} if names else {}


def _llm(model: LlmNode) -> str | Json:
    options = {"temperature": model.temperature, "max_tokens": model.max_tokens}
    given = {name: value for name, value in options.items() if value is not None}
    return {"model": model.name, **given} if given else model.name


def _text(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
