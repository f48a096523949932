"""Hints: what is allowed instead, for each problem of a document."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Collection
from collections.abc import Mapping

from ..errors import Problem
from .approval import ALWAYS
from .approval import APPROVAL_DECISIONS
from .approval import NEVER
from .approval import OnApprovalExpiry
from .edges import Meaning
from .graph import OnUnknown
from .graph import Process
from .input_declarations import MAX_INPUTS
from .input_types import InputType
from .output_schema import KEYWORDS
from .permissions import Permissions
from .problem_messages import listing
from .problem_messages import quote
from .problem_messages import suggestion
from .question import OnQuestionExpiry
from .review import DECISIONS
from .review import OnExpiry
from .schema import fields_of

EXAMPLES: t.Final[Mapping[str, object]] = {
    "version": 1,
    "name": "report",
    "process": "sequential",
    "description": "List three facts about {topic}.",
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
    "on_unknown": "fail",
    "approval": "always",
    "human_input": True,
    "review": {"message": "Are the facts right?", "assignees": {"roles": ["editor"]}},
    "message": "Are the facts right?",
    "decisions": ["approve", "change"],
    "assignees": {"roles": ["editor"]},
    "users": ["ann"],
    "roles": ["editor"],
    "expires_in": 86_400,
    "on_expiry": "fail",
    "default": "No news today.",
    "four_eyes": True,
    "max_rounds": 5,
}
"""An example of a valid value for each field."""

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
"""The same for the fields of a declared input, and of an input called ``topic``."""

_HINTS: t.Final[Mapping[str, str]] = {
    "bad-text": "Any valid Unicode text without NUL.",
    "too-deep": "At most 100 levels of nested lists and objects.",
    "not-json": "Text, finite numbers, true, false, null, lists, and objects whose keys are text.",
    "too-many": "Split the crew into several graphs.",
    "too-many-values": "At most 120,000 values; most graphs have a few hundred.",
    "too-many-problems": "Correct the listed problems and validate again.",
    "invalid-id": 'For example "writer-1": 1 to 100 letters, digits, and _ . : -',
    "invalid-schema": 'For example {"type": "object", "properties": {"title": {"type":'
    ' "string"}}}.',
    "schema-too-deep": "At most 20 levels of nested schemas, and no schema that refers to itself.",
    "schema-too-large": "At most 500 schemas; each reference counts as one more.",
    "schema-reference": '{"$ref": "#/$defs/name"}, with "name" in the "$defs" of the whole schema.',
    "unsupported-keyword": f"Allowed are {listing(KEYWORDS)}.",
    "name-or-text": 'Either {"name": …} of a registered guardrail, or {"text": "The answer names a'
    ' source."}.',
    "unknown-node-type": "Allowed are agent, task, tool and llm.",
    "unknown-process": f"Allowed are {listing(t.get_args(Process))}.",
    "duplicate-id": "An id that no other node has; change it in the edges, too.",
    "unknown-node": "The id of one of the nodes.",
    "self-loop": "An edge between two different nodes.",
    "impossible-edge": "Edges lead from agent to task, task to task, tool to agent or task, llm to"
    " agent, agent to agent.",
    "duplicate-edge": "At most one edge of each meaning between two nodes.",
    "untyped-edge": 'Add "type": "manager" or "type": "coworker", or remove the edge.',
    "coworker-in-hierarchical": 'No edge of the type "coworker", or the process "sequential".',
    "coworker-without-delegation": '"allow_delegation": true, or no edge of the type "coworker".',
    "unknown-edge-type": f"Allowed are {listing(t.get_args(Meaning))}; or leave the type out.",
    "wrong-edge-type": "Leave the type out: the meaning follows from the ends.",
    "no-agents": 'Add a node {"id": "writer", "type": "agent", "data": {"role": …, "goal": …}}.',
    "no-tasks": 'Add a node {"id": "facts", "type": "task", "data": {"description": …,'
    ' "expected_output": …}}.',
    "duplicate-role": "A role that no other agent has; case, spaces and quotes are ignored.",
    "duplicate-task-name": 'A "name" that no other task has; by default it is the id.',
    "task-with-two-agents": "One edge from an agent to each task; split a task of two agents.",
    "agent-with-two-models": "One edge from an llm to each agent.",
    "unused-node": "An edge from this node to an agent or task.",
    "cycle": "Edges between tasks without a cycle.",
    "first-task-conditional": "No condition, or an edge from another task to this one.",
    "async-condition": 'Remove either "async" or "condition".',
    "async-delegation": '"allow_delegation": false, or no "async".',
    "async-managed": 'The process "sequential", or no "async".',
    "async-reads-async": "An edge from a task that has ended by then: a synchronous one, or an"
    " async one with a synchronous one after it.",
    "async-at-end": "A last task that is not async, for example one that reads the others.",
    "task-without-agent": 'An edge {"source": <an agent>, "target": <this task>}, or the process'
    ' "hierarchical" with a manager.',
    "unused-agent": 'An edge {"source": <this agent>, "target": <a task>}, or {"source": <an agent'
    ' that delegates>, "target": <this agent>, "type": "coworker"}.',
    "manager-in-sequential": '"process": "hierarchical", or no edge of the type "manager".',
    "no-manager": 'An edge {"source": <an agent or llm>, "target": <an agent>, "type": "manager"},'
    ' or the process "sequential".',
    "two-managers": 'Edges of the type "manager" from one node only.',
    "manager-with-tools": "Edges from tools to the agents of the crew.",
    "too-many-inputs": f"At most {MAX_INPUTS} inputs; an input may be a list or an object.",
    "invalid-input-name": 'For example "topic": a letter or _, followed by letters, digits, _ or -;'
    " at most 100 characters.",
    "reserved-input": "Another name; change it in the texts, too.",
    "unknown-input-type": f"Allowed are {listing(t.get_args(InputType))}.",
    "misplaced-field": "Change the type, or remove the field.",
    "required-with-default": 'Either "required": true or a "default".',
    "empty-range": 'For example "minimum": 1, "maximum": 10.',
    "undeclared-input": 'Add it to "inputs": {"topic": {"type": "string"}}.',
    "misplaced-file": "Use the file in the goal, the backstory or a task.",
    "above-model-limit": 'A smaller "max_tokens", or none for the maximum.',
    "misplaced-default": 'For example "on_expiry": "default", "default": "No news today."',
    "default-mismatch": 'An object that matches the "output_schema", or a text if there is none.',
    "four-eyes-unassigned": 'For example "assignees": {"roles": ["editor"]}.',
    "looser-approval": "Leave it out: what the tool is registered with holds. A graph may only"
    " demand more.",
    "two-approvals": "One approval for each tool.",
    "two-questions": 'Only one node with "assignees", "expires_in" and the like.',
    "unknown-approval": f"Allowed are {listing((ALWAYS, NEVER))}, or an object.",
    "must-not-repeat": 'A stricter one: "ask" or "fail", or none.',
    "unknown-decision": f"Allowed are {listing(DECISIONS)}.",
    "no-final-decision": 'For example ["approve", "change"].',
    "unknown-expiry": f"Allowed are {listing(t.get_args(OnExpiry))}.",
    "invalid-on-unknown": f"Allowed are {listing(t.get_args(OnUnknown))}.",
    "manager-with-task": "Edges from the other agents to the tasks, or none to let the manager"
    " choose.",
}


def find_hint(problem: Problem, document: object, permissions: Permissions) -> str:
    """Return a sentence about what is allowed in *document* at the place of *problem*."""
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
        case "unknown-decision" | "unknown-expiry" if "/data/approval/" in problem.pointer:
            of_expiry = t.get_args(OnApprovalExpiry)
            known = APPROVAL_DECISIONS if problem.code == "unknown-decision" else of_expiry
            return f"Allowed are {listing(known)}."
        case "no-final-decision" if problem.pointer.endswith("/data/approval/decisions"):
            return 'For example ["approve", "edit"].'
        case "unknown-expiry" if problem.pointer.endswith("/data/on_expiry"):
            return f"Allowed are {listing(t.get_args(OnQuestionExpiry))}."
        case code:
            return problem.hint or _HINTS.get(code) or _example(problem.pointer)


def _names(kind: str, problem: Problem, document: object, known: Collection[str]) -> str:
    wrong = _value_at(document, problem.pointer)
    return f"{suggestion(str(wrong), known)}The {kind} are {listing(sorted(known))}."


def _fields(problem: Problem, document: object) -> str:
    parent, _, wrong = problem.pointer.rpartition("/")
    fields = _fields_at(parent, document)
    return f"{suggestion(wrong, fields)}The fields are {listing(fields)}."


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
        case ["nodes", _, "data", "review" | "approval" as part]:
            return fields_of(part)
        case ["nodes", _, "data", "review" | "approval", "assignees"]:
            return fields_of("assignees")
        case _:
            return fields_of("document")


def _example(pointer: str) -> str:
    name = pointer.rpartition("/")[2]
    examples = EXAMPLES
    if pointer.startswith("/inputs/"):
        name = name if pointer.count("/") > 2 else "topic"
        examples = INPUT_EXAMPLES
    if name not in examples:
        return "See the documentation of graph documents."
    return f"For example {quote(name)}: {json.dumps(examples[name])}."


def _value_at(document: object, pointer: str) -> object:
    """Return the value at a *pointer* without escapes, or None."""
    for token in pointer.split("/")[1:]:
        if isinstance(document, dict):
            document = document.get(token)
        elif isinstance(document, list) and token.isdecimal() and int(token) < len(document):
            document = document[int(token)]
        else:
            return None
    return document
