"""The shape of a document: its fields and their values."""

from __future__ import annotations

import typing as t
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import Problem
from . import fields as f
from . import reactflow
from .approval import approval_option
from .approval import FIELDS as _APPROVAL
from .approval import read_approval
from .assignees import ASSIGNEES as _ASSIGNEES
from .fields import Field
from .fields import read_object
from .graph import OnUnknown
from .graph import Process
from .input_declarations import FIELDS as _INPUT
from .input_declarations import MAX_INPUTS
from .input_declarations import read_declarations
from .input_types import Declaration
from .json_values import find_json_problems
from .json_values import MAX_VALUES
from .output_schema import output_schema
from .problem_messages import quote
from .question import FIELDS as _QUESTION
from .question import read_question
from .review import FIELDS as _REVIEW
from .review import find_default_problem
from .review import read_review
from .review import Review

_NAME = f.text(200)
_LONG = f.text(20_000)

_DATA: Mapping[str, Mapping[str, Field]] = {
    "agent": {
        "role": Field(_NAME, required=True),
        "goal": Field(_LONG, required=True),
        "backstory": Field(f.text(20_000, blank=True), default=""),
        "allow_delegation": Field(f.flag, default=False),
        "max_iter": Field(f.whole(1, 100), default=20),
        "reasoning": Field(f.flag, default=False),
        "max_reasoning_attempts": Field(f.whole(1, 10), default=3),
        "inject_date": Field(f.flag, default=False),
    },
    "task": {
        "name": Field(_NAME),
        "description": Field(_LONG, required=True),
        "expected_output": Field(_LONG, required=True),
        "condition": Field(_NAME),
        "async": Field(f.flag, default=False),
        "markdown": Field(f.flag, default=False),
        "output_schema": Field(output_schema),
        "guardrails": Field(f.items(10), default=()),
        "guardrail_max_retries": Field(f.whole(0, 10), default=3),
        "human_input": Field(f.flag, default=False),
        "review": Field(f.members("too-many", len(_REVIEW))),
    },
    "tool": {
        "name": Field(_NAME, required=True),
        "on_unknown": Field(f.choice("invalid-on-unknown", t.get_args(OnUnknown))),
        "approval": Field(approval_option),
        **_QUESTION,
    },
    "llm": {
        "name": Field(_NAME, required=True),
        "temperature": Field(f.number(0, 2)),
        "max_tokens": Field(f.whole(1, 1_000_000)),
    },
}

_GUARDRAIL = {"name": Field(_NAME), "text": Field(f.text(2000))}


@f.accepts("the number 1")
def _version(value: object) -> f.Fault | None:
    if type(value) is int and value == 1:
        return None
    return f.Fault("unknown-version", "must be the number 1.")


_DOCUMENT = {
    "version": Field(_version, required=True),
    "name": Field(_NAME, required=True),
    "process": Field(
        f.choice("unknown-process", t.get_args(Process)),
        default="sequential",
    ),
    "description": Field(f.text(20_000, blank=True)),
    "planning": Field(f.flag, default=False),
    "planning_model": Field(_NAME),
    "inputs": Field(f.members("too-many-inputs", MAX_INPUTS), default={}),
    "nodes": Field(f.items(200), required=True),
    "edges": Field(f.items(1000), required=True),
}
_NODE = {
    "id": Field(f.identifier, required=True),
    "type": Field(f.choice("unknown-node-type", list(_DATA)), required=True),
    "data": Field(f.anything, required=True),
}
_EDGE = {
    # React Flow's ids of edges contain the ids of both nodes and their handles.
    "id": Field(f.text(1000)),
    "source": Field(f.identifier, required=True),
    "target": Field(f.identifier, required=True),
    "type": Field(f.text(100)),
}


@dataclass(frozen=True)
class NodeDraft:
    """A node with a valid id and type; its data has only the valid fields."""

    pointer: str
    id: str
    type: str
    data: Mapping[str, t.Any]

    @property
    def title(self) -> str:
        """The type and id of the node, for messages."""
        return f"{self.type} {quote(self.id)}"


@dataclass(frozen=True)
class EdgeDraft:
    """An edge with valid fields, whose nodes may not exist."""

    pointer: str
    source: str
    target: str
    type: str | None


@dataclass(frozen=True)
class Draft:
    """A document with valid nodes and edges, whose data may still be invalid."""

    name: str
    process: Process
    nodes: Mapping[str, NodeDraft]
    edges: tuple[EdgeDraft, ...]
    inputs: tuple[Declaration, ...]
    planning: bool
    planning_model: str | None


def read_draft(document: object) -> tuple[Draft | None, list[Problem]]:
    """Return a draft of the document, and all problems of shape.

    There is no draft if an invalid node or edge would mislead the checks of structure.
    """
    problems = find_json_problems(document, max_values=MAX_VALUES)
    if problems:
        return None, problems
    top = read_object(document, _DOCUMENT, reactflow.DOCUMENT_FIELDS, "", problems)
    nodes = [_read_node(at, value, problems) for at, value in enumerate(top.get("nodes", ()))]
    edges = [_read_edge(at, value, problems) for at, value in enumerate(top.get("edges", ()))]
    problems += _find_repeated_ids(nodes)
    inputs = read_declarations(top.get("inputs", {}), problems)
    return _make_draft(top, nodes, edges, inputs), problems


def _make_draft(
    top: Mapping[str, t.Any],
    nodes: list[NodeDraft | None],
    edges: list[EdgeDraft | None],
    inputs: tuple[Declaration, ...],
) -> Draft | None:
    by_id = {node.id: node for node in nodes if node}
    known_edges = tuple(edge for edge in edges if edge)
    has_parts = {"process", "nodes", "edges", "inputs"} <= top.keys()
    if not has_parts or len(by_id) < len(nodes) or len(known_edges) < len(edges):
        return None
    planning = (top.get("planning", False), top.get("planning_model"))
    return Draft(top.get("name", ""), top["process"], by_id, known_edges, inputs, *planning)


def _read_node(index: int, value: object, problems: list[Problem]) -> NodeDraft | None:
    pointer = f"/nodes/{index}"
    node = read_object(value, _NODE, reactflow.NODE_FIELDS, pointer, problems)
    data = {}
    if {"type", "data"} <= node.keys():
        fields = _DATA[node["type"]]
        data = read_object(node["data"], fields, reactflow.DATA_FIELDS, f"{pointer}/data", problems)
    if "guardrails" in data:
        at = f"{pointer}/data/guardrails"
        data["guardrails"] = _read_guardrails(data["guardrails"], at, problems)
    if data.get("review") is not None:
        data["review"] = _read_review(data, f"{pointer}/data/review", problems)
    if data.get("approval") is not None:
        data["approval"] = read_approval(data["approval"], f"{pointer}/data/approval", problems)
    if data and node["type"] == "tool":
        data["question"] = read_question(data, node["data"], f"{pointer}/data", problems)
    if not {"id", "type"} <= node.keys():
        return None
    return NodeDraft(pointer, node["id"], node["type"], data)


def _read_review(data: Mapping[str, t.Any], pointer: str, problems: list[Problem]) -> Review | None:
    review = read_review(data["review"], pointer, problems)
    if review and "output_schema" in data:
        problem = find_default_problem(review, data["output_schema"], pointer)
        problems += filter(None, [problem])
    return review


def _read_guardrails(
    values: Collection[object], pointer: str, problems: list[Problem]
) -> list[Mapping[str, str | None]]:
    read: list[Mapping[str, str | None]] = []
    for at, value in enumerate(values):
        fields = read_object(value, _GUARDRAIL, (), f"{pointer}/{at}", problems)
        if len(fields) == len(_GUARDRAIL) and (fields["name"] is None) == (fields["text"] is None):
            detail = 'A guardrail must have either the "name" of a registered one or a "text".'
            problems.append(Problem(f"{pointer}/{at}", "name-or-text", detail))
        read.append(fields)
    return read


def _read_edge(index: int, value: object, problems: list[Problem]) -> EdgeDraft | None:
    pointer = f"/edges/{index}"
    edge = read_object(value, _EDGE, reactflow.EDGE_FIELDS, pointer, problems)
    if not {"source", "target", "type"} <= edge.keys():
        return None
    return EdgeDraft(pointer, edge["source"], edge["target"], edge["type"])


def _find_repeated_ids(nodes: list[NodeDraft | None]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for node in filter(None, nodes):
        other = first.setdefault(node.id, node.pointer)
        if other != node.pointer:
            detail = (
                f"The id {quote(node.id)} is already used by {other}. Give each node its own id."
            )
            yield Problem(f"{node.pointer}/id", "duplicate-id", detail)


def fields_of(part: str) -> Mapping[str, Field]:
    """Return the fields of a *part*, by name.

    :param part: ``document``, ``node``, ``edge``, ``input``, ``guardrail``, ``review``,
        ``approval``, ``assignees``, or a type of nodes for the fields of its data.
    """
    parts: Mapping[str, Mapping[str, Field]] = {
        "document": _DOCUMENT,
        "node": _NODE,
        "edge": _EDGE,
        "input": _INPUT,
        "guardrail": _GUARDRAIL,
        "review": _REVIEW,
        "approval": _APPROVAL,
        "assignees": _ASSIGNEES,
        **_DATA,
    }
    return parts.get(part, {})
