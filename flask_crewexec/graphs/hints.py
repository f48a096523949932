"""What is allowed instead, for each problem of a document."""

from __future__ import annotations

import difflib
import json
import typing as t
from collections.abc import Collection
from collections.abc import Mapping

from ..errors import Problem
from .edges import Meaning
from .graph import Process
from .input_declarations import MAX_INPUTS
from .input_types import InputType
from .output_schema import KEYWORDS
from .permissions import Permissions
from .problem_messages import listing
from .problem_messages import quote
from .schema import fields_of

EXAMPLES: t.Final[Mapping[str, object]] = {
    "version": 1,
    "name": "report",
    "process": "sequential",
    "description": "Tell three facts about {topic}.",
    "nodes": [],
    "edges": [],
    "inputs": {"topic": {"type": "string"}},
    "id": "writer",
    "type": "agent",
    "data": {},
    "source": "writer",
    "target": "facts",
    "role": "Writer",
    "goal": "Write about {topic}",
    "backstory": "You have written for many years.",
    "allow_delegation": False,
    "max_iter": 20,
    "reasoning": True,
    "max_reasoning_attempts": 3,
    "inject_date": True,
    "planning": True,
    "planning_model": "default",
    "expected_output": "A list of three lines",
    "condition": "is_long",
    "async": False,
    "markdown": True,
    "output_schema": {"type": "object", "properties": {"title": {"type": "string"}}},
    "guardrails": [{"text": "The answer names a source."}],
    "guardrail_max_retries": 3,
    "text": "The answer names a source.",
    "temperature": 0.7,
    "max_tokens": 1000,
}
"""A value that each field takes."""

INPUT_EXAMPLES: t.Final[Mapping[str, object]] = {
    "topic": {"type": "string"},
    "type": "string",
    "description": "What the page is about",
    "default": "tea",
    "required": False,
    "enum": ["short", "long"],
    "max_length": 200,
    "minimum": 1,
    "maximum": 10,
}
"""The same within a declared input, and an input."""

_HINTS: t.Final[Mapping[str, str]] = {
    "bad-text": "Any text of whole Unicode characters other than NUL.",
    "too-deep": "Lists and objects within each other, up to 100 levels.",
    "not-json": "Text, finite numbers, true, false, null, lists, and objects with text as keys.",
    "too-many": "Split the crew into several graphs.",
    "too-many-problems": "Correct the listed problems and validate again.",
    "invalid-id": 'For instance "writer-1"; 1 to 100 letters, digits or any of _ . : -',
    "invalid-schema": 'For instance {"type": "object", "properties": {"title": {"type":'
    ' "string"}}}.',
    "schema-too-deep": "At most 20 schemas within each other, and none that refers to itself.",
    "schema-too-large": "At most 500 schemas, each counted as often as it is referred to.",
    "schema-reference": '{"$ref": "#/$defs/name"}, with "name" in the outermost "$defs".',
    "unsupported-keyword": f"Allowed are {listing(KEYWORDS)}.",
    "name-or-text": '{"name": …} with a registered one, or {"text": "The answer names a source."}',
    "unknown-node-type": "Agent, task, tool and llm, in lower case.",
    "unknown-process": f"Allowed are {listing(t.get_args(Process))}.",
    "duplicate-id": "Any id that no other node has; change it in the edges, too.",
    "unknown-node": "The id of one of the nodes.",
    "self-loop": "An edge between two different nodes.",
    "impossible-edge": "Edges lead from agent to task, task to task, tool to agent or task, llm to"
    " agent.",
    "duplicate-edge": "One edge of each meaning between two nodes.",
    "untyped-edge": 'Add "type": "manager", or remove the edge.',
    "unknown-edge-type": f"Allowed are {listing(t.get_args(Meaning))}; or leave the type out.",
    "wrong-edge-type": "Leave the type out: the meaning follows from the ends.",
    "no-agents": 'Add a node {"id": "writer", "type": "agent", "data": {"role": …, "goal": …}}.',
    "no-tasks": 'Add a node {"id": "facts", "type": "task", "data": {"description": …,'
    ' "expected_output": …}}.',
    "duplicate-role": "Any role that no other agent has; case, spaces and quotes do not count.",
    "duplicate-task-name": 'Any "name" that no other task has; without one it is the id.',
    "task-with-two-agents": "One edge from an agent to each task; split the task if both work.",
    "agent-with-two-models": "One edge from an llm to each agent.",
    "unused-node": "An edge from it to the agent or task that it is for.",
    "cycle": "Edges between tasks that lead forward only.",
    "first-task-conditional": "No condition, or an edge from another task to this one.",
    "async-condition": 'Leave out either "async" or "condition".',
    "async-delegation": '"allow_delegation": false, or no "async".',
    "async-managed": 'The process "sequential", or no "async".',
    "async-reads-async": "An edge from a task that has ended by then: one that is not async, or has"
    " one behind it that is not.",
    "async-at-end": "A last task that is not async, for instance one that reads the others.",
    "task-without-agent": 'An edge {"source": <an agent>, "target": <this task>}, or the process'
    ' "hierarchical" with a manager.',
    "unused-agent": 'An edge {"source": <this agent>, "target": <a task>}.',
    "manager-in-sequential": '"process": "hierarchical", or no edge of the type "manager".',
    "no-manager": 'An edge {"source": <an agent or llm>, "target": <an agent>, "type": "manager"},'
    ' or the process "sequential".',
    "two-managers": 'Edges of the type "manager" from one and the same node.',
    "manager-with-tools": "Edges from tools to the agents that it manages.",
    "too-many-inputs": f"Up to {MAX_INPUTS} inputs; an input may hold a list or an object.",
    "invalid-input-name": 'For instance "topic": a letter or _, then letters, digits, _ or -; up'
    " to 100.",
    "reserved-input": "Any other name; change it in the texts, too.",
    "unknown-input-type": f"Allowed are {listing(t.get_args(InputType))}.",
    "misplaced-field": "Change the type, or remove the field.",
    "required-with-default": '"required": true without a default, or a default alone.',
    "empty-range": 'For instance "minimum": 1, "maximum": 10.',
    "undeclared-input": 'Add it to "inputs": {"topic": {"type": "string"}}.',
    "misplaced-file": "Put the file into the goal, the backstory or a task.",
    "above-model-limit": 'A smaller "max_tokens", or none: then it is as much as allowed.',
    "manager-with-task": "Edges from the agents that it manages to the tasks, or none: then it"
    " chooses.",
}


def find_hint(problem: Problem, document: object, permissions: Permissions) -> str:
    """Return a sentence about what *document* may hold at the place of *problem*."""
    match problem.code:
        case "unknown-tool" | "tool-not-allowed":
            return _names("tools", problem, document, permissions.tools)
        case "unknown-model":
            return _names("models", problem, document, permissions.models)
        case "model-not-allowed" if problem.pointer.endswith(("/name", "/planning_model")):
            return _names("models", problem, document, permissions.models)
        case "unknown-guardrail":
            return _names("guardrails", problem, document, permissions.guardrails)
        case "unknown-predicate":
            return _names("predicates", problem, document, permissions.predicates)
        case "no-default-model" | "model-not-allowed":
            models = listing(sorted(permissions.models))
            if problem.pointer.startswith("/planning"):
                return f'A "planning_model". Models: {models}.'
            return f"An edge from an llm node to this agent. Models: {models}."
        case "unknown-field":
            return _fields(problem, document)
        case code:
            return problem.hint or _HINTS.get(code) or _example(problem.pointer)


def _names(kind: str, problem: Problem, document: object, known: Collection[str]) -> str:
    wrong = _value_at(document, problem.pointer)
    return f"{_similar(str(wrong), known)}The {kind} are {listing(sorted(known))}."


def _fields(problem: Problem, document: object) -> str:
    parent, _, wrong = problem.pointer.rpartition("/")
    fields = _fields_at(parent, document)
    return f"{_similar(wrong, fields)}The fields are {listing(fields)}."


def _similar(wrong: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(wrong[:100], known, 1)
    return f"Do you mean {quote(close[0])}? " if close else ""


def _fields_at(pointer: str, document: object) -> Collection[str]:
    match pointer.split("/")[1:]:
        case ["nodes", _]:
            return fields_of("node")
        case ["edges", _]:
            return fields_of("edge")
        case ["inputs", _]:
            return fields_of("input")
        case ["nodes", index, "data"]:
            return fields_of(str(_value_at(document, f"/nodes/{index}/type")))
        case ["nodes", _, "data", "guardrails", _]:
            return fields_of("guardrail")
        case _:
            return fields_of("document")


def _example(pointer: str) -> str:
    name = pointer.rpartition("/")[2]
    examples = EXAMPLES
    if pointer.startswith("/inputs/"):
        name = name if pointer.count("/") > 2 else "topic"
        examples = INPUT_EXAMPLES
    if name not in examples:
        return "See what the documentation of graphs lists for this place."
    return f"For instance {quote(name)}: {json.dumps(examples[name])}."


def _value_at(document: object, pointer: str) -> object:
    """Return what is at a *pointer* without escapes, or None."""
    for token in pointer.split("/")[1:]:
        if isinstance(document, dict):
            document = document.get(token)
        elif isinstance(document, list) and token.isdecimal() and int(token) < len(document):
            document = document[int(token)]
        else:
            return None
    return document
