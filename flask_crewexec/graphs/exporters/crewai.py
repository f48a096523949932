"""CrewAI's ``crew.jsonc`` with ``agents/<name>.jsonc``.

What comes back from an import says the same as the graph did; ids of nodes may differ.
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
from ...errors import Problem
from .. import reactflow
from ..graph import AgentNode
from ..graph import DEFAULT_MODEL
from ..graph import Graph
from ..graph import LlmNode
from ..graph import Reference
from ..graph import TaskNode
from ..importers.import_result import Json
from ..importers.import_result import Note
from ..input_values import defaults_of
from ..problem_messages import child
from ..problem_messages import listing
from ..problem_messages import quote
from ..validation import parse

_GUARDRAIL_MAX_RETRIES: t.Final = 3
"""What CrewAI takes where a task says nothing."""


@dataclass(frozen=True)
class Exported:
    """A graph as files."""

    files: Mapping[str, str]
    """Texts by name, such as ``agents/writer.jsonc``."""
    notes: tuple[Note, ...]
    """Everything that the files cannot say, with pointers into the graph document."""


def export_crewai(document: Mapping[str, t.Any]) -> Exported:
    """Return a valid graph document as the files of a CrewAI project.

    :raises InvalidGraph: with every problem of the document.
    """
    graph = parse(document)
    if problems := [*_find_code(graph.references)]:
        raise InvalidGraph(problems[0].detail, problems)
    agents = [*graph.agents]
    if isinstance(graph.manager, AgentNode):
        agents.append(graph.manager)
    names = _file_names(agent.id for agent in agents)
    files = {"crew.jsonc": _crew(graph, names)}
    files.update({f"agents/{names[agent.id]}.jsonc": _agent(agent) for agent in agents})
    texts = {name: _text(value) for name, value in files.items()}
    notes = (
        *_layout_notes(document),
        *_input_notes(document, graph),
        *_name_notes(graph.references),
    )
    return Exported(texts, notes)


def _find_code(references: Iterable[Reference]) -> Iterator[Problem]:
    for kind, name, pointer, _ in references:
        if kind == "tool" and ":" in name:
            detail = f"CrewAI would take the tool {quote(name)} for code. Name a registered tool."
            yield Problem(pointer, "code-reference", detail)


def _file_names(ids: Iterable[str]) -> dict[str, str]:
    """Return a name for each id that differs from the others on every file system."""
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
    titles = {task.id: task.name for task in graph.tasks}
    return {
        "name": graph.name,
        "agents": [names[agent.id] for agent in graph.agents],
        "tasks": [_task(task, names, titles) for task in graph.tasks],
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


def _task(task: TaskNode, names: Mapping[str, str], titles: Mapping[str, str]) -> Json:
    assigned = {} if task.agent_id is None else {"agent": names[task.agent_id]}
    return {
        "name": task.name,
        "description": task.description,
        "expected_output": task.expected_output,
        **assigned,
        "context": [titles[id] for id in task.context],
        **_tools(task.tools),
        **_checks(task),
    }


def _checks(task: TaskNode) -> Json:
    """Return what else is said of a task, beyond what CrewAI takes anyway."""
    said = {
        "markdown": task.markdown,
        "async_execution": task.is_async,
        "output_json": task.output_schema,
        "guardrails": [each.text for each in task.guardrails if each.text is not None],
    }
    retries = task.guardrail_max_retries
    more = {} if retries == _GUARDRAIL_MAX_RETRIES else {"guardrail_max_retries": retries}
    return {**{name: value for name, value in said.items() if value}, **more}


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
    return {"reasoning": True, "max_reasoning_attempts": agent.max_reasoning_attempts}


def _tools(names: tuple[str, ...]) -> Json:
    return {"tools": [*names]} if names else {}


def _llm(model: LlmNode) -> str | Json:
    options = {"temperature": model.temperature, "max_tokens": model.max_tokens}
    given = {name: value for name, value in options.items() if value is not None}
    return {"model": model.name, **given} if given else model.name


def _text(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _layout_notes(document: Mapping[str, t.Any]) -> Iterator[Note]:
    if document.get("description"):
        detail = "A crew of CrewAI has no description, so it is left out."
        yield Note("", "/description", "not-carried", detail)
    if any(reactflow.NODE_FIELDS & node.keys() for node in document["nodes"]):
        detail = "Where nodes are and how they look is left out: CrewAI does not draw crews."
        yield Note("", "/nodes", "not-carried", detail)


def _input_notes(document: Mapping[str, t.Any], graph: Graph) -> Iterator[Note]:
    inputs = document.get("inputs", {})
    if inputs and not any("default" in said for said in inputs.values()):
        detail = (
            "CrewAI is told of defaults only, and there is none: its inputs are what texts use."
        )
        yield Note("", "/inputs", "not-carried", detail)
    for name, said in inputs.items():
        if "default" not in said and name not in graph.placeholders:
            detail = f"No text uses {quote(name)}, and it has no default, so it is left out."
            yield Note("", child("/inputs", name), "not-carried", detail)
            continue
        lost = [field for field in said if field != "default" and (field, said[field]) != _NEEDED]
        if lost:
            detail = f"Of {quote(name)} CrewAI knows only the default; it lacks {listing(lost)}."
            yield Note("", child("/inputs", name), "not-carried", detail)


_NEEDED: t.Final = ("required", True)


def _name_notes(references: Iterable[Reference]) -> Iterator[Note]:
    for kind, name, pointer, _ in references:
        code = "not-carried" if kind in ("guardrail", "predicate") else "registered-name"
        yield Note("", pointer, code, _NAME_NOTES[kind].format(quote(name)))


_NAME_NOTES: t.Final[Mapping[str, str]] = {
    "tool": "CrewAI does not know the tool {}. Write one of its own before you run it there.",
    "model": "CrewAI does not know the model {}. Write 'provider/model' before you run it there.",
    "predicate": "CrewAI does not know the predicate {}, so the condition is left out.",
    "guardrail": "CrewAI does not know the guardrail {}, so it is left out.",
    "default-model": "No model is connected, so CrewAI takes its own default instead of {}.",
}
