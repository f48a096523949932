"""What holds for every document, however odd."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.errors import MAX_PROBLEMS
from flask_crewexec.errors import Problem
from flask_crewexec.graphs import AgentNode
from flask_crewexec.graphs import check_inputs
from flask_crewexec.graphs import Declaration
from flask_crewexec.graphs import digest
from flask_crewexec.graphs import estimate_calls
from flask_crewexec.graphs import find_changes
from flask_crewexec.graphs import find_hint
from flask_crewexec.graphs import Graph
from flask_crewexec.graphs import inputs_schema
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import TaskNode
from flask_crewexec.graphs import validate
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import llm
from support.graphs.builders import task
from support.graphs.builders import tool
from support.graphs.strategies import broken_documents
from support.graphs.strategies import GUARDRAILS
from support.graphs.strategies import json_values
from support.graphs.strategies import MODELS
from support.graphs.strategies import PREDICATES
from support.graphs.strategies import python_values
from support.graphs.strategies import TOOLS
from support.graphs.strategies import valid_documents

many = settings(max_examples=4 * settings().max_examples)


AGENT_FIELDS = (
    *("role", "goal", "backstory", "allow_delegation", "max_iter", "reasoning"),
    *("max_reasoning_attempts", "inject_date"),
)
PERMISSIONS = Permissions(TOOLS, MODELS, GUARDRAILS, PREDICATES)


def problems_of(document: object) -> t.Sequence[Problem]:
    """Return the problems of *document*; no other error may come of it."""
    try:
        validate(document, PERMISSIONS)
    except InvalidGraph as error:
        return error.problems or pytest.fail("There is no problem.")
    return ()


def is_place(value: t.Any, pointer: str) -> bool:
    """Whether *pointer* points at something in *value*, or at a name that was cut."""
    assert pointer == "" or pointer.startswith("/")
    assert not re.search(r"~(?![01])", pointer)
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name, _cut_off(value, name))
        elif isinstance(value, list) and token.isdecimal() and int(token) < len(value):
            value = value[int(token)]
        else:
            return False
        if value is NOTHING:
            return False
    return True


NOTHING = object()


def _cut_off(value: dict[t.Any, t.Any], name: str) -> object:
    whole = [key for key in value if len(str(key)) > 100 and f"{str(key)[:100]}…" == name]
    return value[whole[0]] if whole else NOTHING


def check(document: object) -> None:
    """Check that *document* is valid, or refused with problems that make sense."""
    problems = problems_of(document)
    assert len(problems) <= MAX_PROBLEMS + 1
    for problem in problems:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", problem.code)
        assert problem.detail
        assert find_hint(problem, document, PERMISSIONS)
        if problem.code == "missing-field":
            parent, _, name = problem.pointer.rpartition("/")
            assert is_place(document, parent)
            assert not is_place(document, f"{parent}/{name}")
        else:
            assert is_place(document, problem.pointer), problem


class TestAnyDocument:
    @given(json_values)
    def test_json(self, document):
        check(document)

    @given(python_values)
    def test_what_is_no_json(self, document):
        check(document)

    @many
    @given(broken_documents())
    def test_nearly_valid_graphs(self, document):
        check(document)

    @given(st.text() | st.binary())
    def test_what_json_reads(self, text):
        try:
            document = json.loads(text)
        except ValueError:
            return
        check(document)

    @pytest.mark.parametrize("depth", [99, 100, 101, 5000])
    def test_depth(self, depth):
        nested: t.Any = []
        for _ in range(depth):
            nested = [nested]
        check(nested)
        check({**document([agent("a"), task("t")], "a t"), "viewport": {"x": nested}})


def without_places(graph: Graph) -> Graph:
    return dataclasses.replace(graph, references=())


def written(graph: Graph) -> dict[str, t.Any]:
    """Write a graph as a document."""
    nodes, edges = [], []
    crew = [*graph.agents, *([graph.manager] if graph.manager else [])]
    for node in crew:
        if not isinstance(node, AgentNode):
            nodes.append(_model(node))
            continue
        nodes.append(agent(node.id, **{name: getattr(node, name) for name in AGENT_FIELDS}))
        if node.llm:
            nodes.append(_model(node.llm))
            edges.append(f"{node.llm.id} {node.id}")
    for step in graph.tasks:
        texts = {"description": step.description, "expected_output": step.expected_output}
        name = {} if step.name == step.id else {"name": step.name}
        nodes.append(task(step.id, **texts, **name, **_form(step)))
        edges += [f"{other} {step.id}" for other in step.context]
        edges += [f"{step.agent_id} {step.id}"] if step.agent_id else []
    for user in (*crew, *graph.tasks):
        for name in getattr(user, "tools", ()):
            nodes.append(tool(f"{user.id}-{name}", name))
            edges.append(f"{user.id}-{name} {user.id}")
    if graph.manager:
        edges.append(f"{graph.manager.id} {graph.agents[0].id} manager")
    inputs = {each.name: _input(each) for each in graph.declared}
    more = {"process": graph.process, "planning": graph.planner is not None, "inputs": inputs}
    return document(nodes, *edges, name=graph.name, **more)


def _input(declared: Declaration) -> dict[str, t.Any]:
    said = dataclasses.asdict(declared)
    del said["name"]
    said["enum"] = said["enum"] and [*said["enum"]]
    if declared.default is not None:
        del said["required"]
    return {name: value for name, value in said.items() if value is not None}


def _form(step: TaskNode) -> dict[str, t.Any]:
    rules = [{k: v for k, v in vars(each).items() if v is not None} for each in step.guardrails]
    schema = {} if step.output_schema is None else {"output_schema": step.output_schema}
    said = {"markdown": step.markdown, "guardrail_max_retries": step.guardrail_max_retries}
    return {**said, **schema, "guardrails": rules}


def _model(node: t.Any) -> dict[str, t.Any]:
    options = {"temperature": node.temperature, "max_tokens": node.max_tokens}
    given = {name: value for name, value in options.items() if value is not None}
    return llm(node.id, node.name, **given)


class TestValidDocuments:
    @given(valid_documents())
    def test_have_no_problem(self, document):
        assert problems_of(document) == ()

    @given(valid_documents())
    def test_stay_what_they_are_as_json(self, document):
        assert parse(json.loads(json.dumps(document))) == parse(document)
        assert digest(json.loads(json.dumps(document, sort_keys=True))) == digest(document)

    @given(valid_documents())
    def test_can_be_written_from_the_graph(self, document):
        graph = parse(document)
        assert without_places(parse(written(graph))) == without_places(graph)

    @given(valid_documents())
    def test_lose_no_node(self, document):
        graph = parse(document)
        ids = {node["id"] for node in document["nodes"] if node["type"] in ("agent", "task")}
        manager = {graph.manager.id} if isinstance(graph.manager, AgentNode) else set()
        named: tuple[t.Any, ...] = (*graph.agents, *graph.tasks)
        assert {node.id for node in named} | manager == ids

    @given(valid_documents())
    def test_tasks_follow_what_they_read(self, document):
        seen: set[str] = set()
        for step in parse(document).tasks:
            assert set(step.context) <= seen
            seen.add(step.id)

    @given(valid_documents())
    def test_can_be_summarised(self, document):
        graph = parse(document)
        lower, upper = estimate_calls(graph)
        assert len(graph.tasks) <= lower < upper
        if not graph.declared:
            needed = inputs_schema(graph)["required"]
            check_inputs(graph, dict.fromkeys(needed, "x"))


class TestDifferences:
    @given(valid_documents())
    def test_from_itself(self, document):
        assert find_changes(document, json.loads(json.dumps(document))) == []

    @given(valid_documents(), valid_documents(), st.data())
    def test_there_is_one_whenever_the_digests_differ(self, old, new, data):
        if data.draw(st.booleans()):  # else they have hardly anything in common
            new = {**old, "nodes": data.draw(st.permutations(old["nodes"]))}
        changes = find_changes(old, new)
        assert bool(changes) == (digest(old) != digest(new))
        for change in changes:
            assert is_place(old if change.kind == "removed" else new, change.pointer)
