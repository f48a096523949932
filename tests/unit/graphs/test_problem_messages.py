"""Every refusal names its place and says what is allowed instead.

A new code of a problem needs an example here.
"""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

from flask_crewexec import graphs
from flask_crewexec.errors import InvalidGraph
from flask_crewexec.errors import InvalidInputs
from flask_crewexec.graphs import check_inputs
from flask_crewexec.graphs import find_hint
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import validate
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Options
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import llm
from support.graphs.builders import sequential
from support.graphs.builders import task
from support.graphs.builders import tool
from support.graphs.foreign_crews import crewai
from support.graphs.foreign_crews import small
from support.graphs.foreign_crews import with_task

TOOLS, MODELS = ["search"], ["default", "small"]
ROLE_LIMITS = graphs.RoleLimits(
    {"tool": ["pay"], "model": ["large"]},
    max_tokens={"small": 100},
    on_unknown={"search": "fail"},
    approvals={"search": graphs.HostApproval(graphs.ApprovalTerms())},
)
PAIR = [agent("a"), agent("b"), task("t"), task("u")]


def with_data(**data):
    return document([agent("writer", **data), task("write")], "writer write")


def declaring(description="Write", role="Writer", **inputs):
    nodes = [agent("writer", role=role), task("write", description=description)]
    return document(nodes, "writer write", inputs=inputs)


def with_task_data(**data):
    return document([agent("a"), task("t", **data)], "a t")


def asynchronous(*edges, tasks="xy", process="sequential", **data):
    """Draw three tasks of one agent; some run beside each other."""
    nodes = [task(id, **({"async": True, **data} if id in tasks else {})) for id in "xyz"]
    return document([agent("a"), *nodes], "a x", "a y", "a z", *edges, process=process)


def managed():
    drawn = asynchronous(process="hierarchical")
    drawn["nodes"].append(agent("boss"))
    drawn["edges"].append({"source": "boss", "target": "a", "type": "manager"})
    return drawn


def nested_schema(depth):
    schema: dict[str, t.Any] = {"type": "object"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"x": schema}}
    return schema


def deep(levels):
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


DOCUMENTS = {
    "no-final-decision": document([agent("a"), task("t", review={"decisions": ["change"]})], "a t"),
    "unknown-decision": document([agent("a"), task("t", review={"decisions": ["hm"]})], "a t"),
    "unknown-expiry": document([agent("a"), task("t", review={"on_expiry": "hm"})], "a t"),
    "misplaced-default": document([agent("a"), task("t", review={"default": "x"})], "a t"),
    "default-mismatch": document(
        [agent("a"), task("t", review={"on_expiry": "default", "default": {}})], "a t"
    ),
    "four-eyes-unassigned": document([agent("a"), task("t", review={"four_eyes": True})], "a t"),
    "above-model-limit": document([agent("a"), task("t"), llm("m", max_tokens=101)], "a t", "m a"),
    "invalid-on-unknown": document(
        [agent("a"), task("t"), tool("s", on_unknown="pray")], "a t", "s a"
    ),
    "must-not-repeat": document(
        [agent("a"), task("t"), tool("s", on_unknown="repeat")], "a t", "s a"
    ),
    "looser-approval": document([agent("a"), task("t"), tool("s", approval="never")], "a t", "s a"),
    "two-approvals": document(
        [
            agent("a"),
            task("t"),
            tool("s", approval="always"),
            tool("s2", "search", approval={"expires_in": 9}),
        ],
        "a t",
        "s a",
        "s2 a",
    ),
    "two-questions": document(
        [
            agent("a"),
            task("t"),
            tool("s", "ask_person", expires_in=8),
            tool("s2", "ask_person", expires_in=9),
        ],
        "a t",
        "s a",
        "s2 a",
    ),
    "unknown-approval": document([agent("a"), task("t"), tool("s", approval="hm")], "a t", "s a"),
    "agent-with-two-models": document(
        [agent("a"), task("t"), llm("m"), llm("n")], "a t", "m a", "n a"
    ),
    "async-at-end": asynchronous(tasks="yz"),
    "async-condition": asynchronous("x z", tasks="y", condition="c"),
    "async-delegation": document(
        [agent("a", allow_delegation=True), task("t", **{"async": True})], "a t"
    ),
    "async-managed": managed(),
    "async-reads-async": asynchronous("x y", "y z"),
    "bad-text": with_data(goal="\x00"),
    "blank": with_data(goal=" "),
    "coworker-in-hierarchical": document(
        [agent("a"), agent("b"), task("t")], "a b manager", "a b coworker", process="hierarchical"
    ),
    "coworker-without-delegation": document(
        [agent("a"), agent("b"), task("t")], "a t", "a b coworker"
    ),
    "cycle": document(PAIR, "a t", "b u", "t u", "u t"),
    "empty-range": declaring(a={"type": "number", "minimum": 2, "maximum": 1}),
    "misplaced-file": declaring(role="{a}", a={"type": "file"}),
    "invalid-input-name": declaring(**{"a b": {}}),
    "invalid-reference": declaring(a={"type": "file", "default": "x"}),
    "misplaced-field": declaring(a={"enum": ["x"]}),
    "not-in-enum": declaring(a={"type": "string", "enum": ["x"], "default": "y"}),
    "required-with-default": declaring(a={"default": 1, "required": True}),
    "too-many-inputs": declaring(**{f"a{number}": {} for number in range(101)}),
    "undeclared-input": declaring("{b}", a={}),
    "unknown-input-type": declaring(a={"type": "path"}),
    "duplicate-edge": document(PAIR, "a t", "a t", "b u"),
    "duplicate-id": document([agent("a"), agent("a"), task("t")], "a t"),
    "duplicate-role": document(
        [agent("a", role="R"), agent("b", role="r"), task("t"), task("u")], "a t", "b u"
    ),
    "duplicate-task-name": document(
        [agent("a"), task("t", name="x"), task("u", name="x")], "a t", "a u"
    ),
    "first-task-conditional": with_task_data(condition="c"),
    "impossible-edge": document(PAIR, "a t", "b u", "t a"),
    "invalid-id": document([agent("a b"), task("t")], "a t"),
    "invalid-schema": with_task_data(output_schema={"type": "string"}),
    "manager-in-sequential": document([agent("a"), agent("b"), task("t")], "b t", "a b manager"),
    "manager-with-task": {
        **hierarchical(),
        "edges": [*hierarchical()["edges"], {"source": "boss", "target": "write"}],
    },
    "manager-with-tools": {
        **hierarchical(),
        "nodes": [*hierarchical()["nodes"], tool("s")],
        "edges": [*hierarchical()["edges"], {"source": "s", "target": "boss"}],
    },
    "missing-field": {"version": 1, "nodes": [], "edges": []},
    "model-not-allowed": document([agent("a"), task("t"), llm("m", "large")], "a t", "m a"),
    "name-or-text": with_task_data(guardrails=[{}]),
    "no-agents": document([]),
    "no-default-model": sequential(),
    "no-manager": {**sequential(), "process": "hierarchical"},
    "no-tasks": document([agent("a")]),
    "not-json": with_data(goal=object()),
    "out-of-range": with_data(max_iter=0),
    "schema-reference": with_task_data(output_schema={"type": "object", "$ref": "http://x"}),
    "schema-too-deep": with_task_data(output_schema=nested_schema(21)),
    "schema-too-large": with_task_data(
        output_schema={"type": "object", "anyOf": [{"type": "object"}] * 501}
    ),
    "self-loop": document(PAIR, "a t", "b u", "t t"),
    "task-with-two-agents": document(PAIR, "a t", "b t", "a u"),
    "task-without-agent": document([agent("a"), task("t"), task("u")], "a t"),
    "tool-not-allowed": document([agent("a"), task("t"), tool("s", "pay")], "a t", "s a"),
    "too-deep": with_data(goal=deep(200)),
    "too-long": with_data(goal="x" * 20_001),
    "too-many": {**sequential(), "nodes": [agent(f"a{n}") for n in range(201)]},
    "too-many-values": with_data(position=[0] * 120_000),
    "too-many-problems": {**sequential(), **{f"x{n}": 1 for n in range(200)}},
    "two-managers": document(
        [agent("a"), agent("b"), agent("c"), task("t")],
        "a c manager",
        "b c manager",
        process="hierarchical",
    ),
    "unknown-edge-type": document(PAIR, "a t teaches", "b u"),
    "unknown-guardrail": with_task_data(guardrails=[{"name": "shrt"}]),
    "unknown-predicate": document(
        [agent("a"), task("t"), task("u", condition="c")], "a t", "a u", "t u"
    ),
    "unsupported-keyword": with_task_data(output_schema={"type": "object", "pattern": "x"}),
    "unknown-field": with_data(mcps=["x"]),
    "unknown-model": document([agent("a"), task("t"), llm("m", "huge")], "a t", "m a"),
    "unknown-node": document(PAIR, "a t", "b u", "a x"),
    "unknown-node-type": document([{**agent("a"), "type": "robot"}, task("t")], "a t"),
    "unknown-process": {**sequential(), "process": "consensual"},
    "unknown-tool": document([agent("a"), task("t"), tool("s", "serch")], "a t", "s a"),
    "unknown-version": {**sequential(), "version": 2},
    "untyped-edge": document(PAIR, "a t", "b u", "a b"),
    "unused-agent": document([agent("a"), agent("b"), task("t")], "a t"),
    "unused-node": document([agent("a"), task("t"), tool("s")], "a t"),
    "wrong-edge-type": document(PAIR, "a t context", "b u"),
    "wrong-type": with_data(goal=5),
}
YAML = {"agents.yaml": "a: {role: A, goal: B}", "tasks.yaml": "t: {description: D}"}
TWO = {"a.json": "{}", "b.json": "{}"}
FLOW: dict[str, t.Any] = {"data": {"nodes": [], "edges": []}}


def studio(**more):
    return {"x.json": json.dumps({"name": "S", "agents": [], "tasks": [], "tools": [], **more})}


CREW_PY = """
class C:
    @agent
    def a(self): return Agent(config=self.agents_config["b"])
    @crew
    def crew(self): return Crew(agents=self.agents, tasks=self.tasks)
"""
STORED = [{"id": f"C_{at}", "entity_type": "crew", "data": {"name": f"Crew {at}"}} for at in (1, 2)]
IMPORTS = {
    "duplicate-field": ("reactflow", {"x.json": '{"a": 1, "a": 2}'}),
    "invalid-json": ("reactflow", {"x.json": "{"}),
    "invalid-python": ("crewai", {"crew.py": "@crew\ndef x(:"}),
    "invalid-yaml": ("crewai-yaml", {**YAML, "agents.yaml": "a: ]"}),
    "missing-file": ("crewai", {"x": "{}"}),
    "missing-name": ("crewai", crewai(small(agents=[7]))),
    "no-crew": ("crewai-studio", {"x.json": "[]"}),
    "one-crew": ("langflow", {"x.json": json.dumps(FLOW)}),
    "one-file": ("reactflow", TWO),
    "several-crews": ("crewai-studio", {"x.json": json.dumps(STORED)}),
    "too-complex": ("crewai", {"crew.py": "Crew(" + "a(),\n" * 21_000 + ")"}),
    "unknown-agent": ("crewai", crewai(with_task(agent="bob"))),
    "unknown-config": ("crewai", {**YAML, "crew.py": CREW_PY}),
    "unknown-crew": ("crewai-studio", {"x.json": json.dumps(STORED)}),
    "unknown-format": ("pickle", {"x": ""}),
    "unknown-task": ("crewai", crewai(with_task(context=["x"]))),
    "unknown-tool": ("crewai-studio", studio(agents=[{"id": "a", "tool_ids": ["x"]}])),
    "wrong-order": ("crewai-yaml", {**YAML}),
    "yaml-alias": ("crewai-yaml", {**YAML, "agents.yaml": "a: &a [*a]"}),
    "yaml-tag": ("crewai-yaml", {**YAML, "agents.yaml": "a: !!python/name:os.system ''"}),
}
OPTIONS = {"wrong-order": Options(order=("x",)), "unknown-crew": Options(crew="Crew 3")}
INPUTS = {
    "blank": {"": 1, "topic": 1},
    "missing-input": {},
    "null-input": {"topic": None},
    "reserved-input": {"crew_chat_messages": [], "topic": 1},
    "too-large": {"topic": "x" * 5_000_000},
    "wrong-type": [],
}
DECLARED_INPUTS: dict[str, dict[str, object]] = {
    "invalid-reference": {"f": "/etc/passwd"},
    "missing-input": {},
    "not-in-enum": {"c": "y"},
    "null-input": {"f": None},
    "out-of-range": {"n": 3},
    "too-long": {"t": "abcd"},
    "unknown-input": {"x": 1},
    "unknown-storage": {"f": "desk:report"},
    "wrong-type": {"n": "1"},
}
NO_CODES = {
    *("base-class", "date-time", "flow-left-out", "schema-shortened"),  # notes, and a format
    *("crewai-yaml", "crewai-studio", "default-model"),  # formats, and a kind of reference
    *(
        "address",
        "code-execution",
        "code-left-out",
        "code-reference",
        "condition-left-out",
    ),  # notes
    *("default-text", "guardrail-left-out", "human-input", "left-out", "listed-twice"),
    *("mcp-server", "model-replaced", "outside-service", "registered-name", "schema-left-out"),
    *("tool-arguments", "tool-left-out", "tool-unrestricted", "tools-merged", "too-many-notes"),
    *("unused-file",),
    *t.get_args(graphs.Reason),
    *("unknown-", "no-", "-not-allowed"),
}
ADVICE = re.compile(
    r"\b(must|may|at most|Add|Available|Change|Choose|Connect|Correct|Declare|Do|Draw|Expected"
    r"|Flatten|Give|Keep|Move|Name|Possible|Remove|Send|Set|Split|Swap|Use|The types are|There are"
    r"|There can be only one|Write|needs the type)\b"
)


def refused(check, *given, **more):
    with pytest.raises((InvalidGraph, InvalidInputs)) as caught:
        check(*given, **more)
    return caught.value.problems


def parents(pointer):
    """The pointer itself and all above it, so that missing members have a place, too."""
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]
    yield ""


def found(value, pointer):
    """Whether a pointer leads anywhere."""
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(token)] if isinstance(value, list) else value[token]
        except (KeyError, IndexError, ValueError, TypeError):
            return False
    return True


def test_there_is_an_example_of_every_code():
    folder = Path(graphs.__file__).parent
    source = "".join(path.read_text() for path in folder.rglob("*.py"))
    codes = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', source)) - NO_CODES
    inputs = INPUTS.keys() | DECLARED_INPUTS.keys()
    assert codes - DOCUMENTS.keys() - IMPORTS.keys() - inputs == set()


@pytest.mark.parametrize("code", DOCUMENTS)
def test_of_documents(code):
    bad = DOCUMENTS[code]
    models = [] if code == "no-default-model" else MODELS
    permissions = Permissions(TOOLS, models, role_limits=ROLE_LIMITS)
    problems = refused(validate, bad, permissions)
    (problem, *_) = [each for each in problems if each.code == code]
    missing = code == "missing-field"
    assert found(bad, [*parents(problem.pointer)][1 if missing else 0])
    assert problem.pointer or code in ("no-agents", "too-many-problems")
    assert ADVICE.search(problem.detail) or code == "too-many-problems", problem.detail
    hint = find_hint(problem, bad, permissions)
    assert hint
    assert "See the documentation" not in hint


@pytest.mark.parametrize("code", IMPORTS)
def test_of_imports(code):
    format, files = IMPORTS[code]
    options = OPTIONS.get(code, Options())
    problems = refused(import_files, format, files, options)
    (problem, *_) = [each for each in problems if each.code == code]
    assert ADVICE.search(problem.detail), problem.detail
    assert problem.hint
    assert "See the documentation" not in problem.hint
    request = {"format": format, "files": files, "order": ["x"], "crew": "Crew 3"}
    whole, _, inside = problem.pointer.partition("/files/")
    assert found(request, f"/files/{inside.partition('/')[0]}" if inside else whole)
    assert problem.pointer


@pytest.mark.parametrize("code", INPUTS)
def test_of_inputs(code):
    graph = parse(document([agent("a", goal="{topic}"), task("t")], "a t"))
    (problem,) = refused(check_inputs, graph, INPUTS[code])
    assert problem.code == code
    assert problem.pointer.startswith("/inputs")
    assert ADVICE.search(problem.detail), problem.detail


@pytest.mark.parametrize("code", DECLARED_INPUTS)
def test_of_declared_inputs(code):
    declared = {
        "c": {"type": "string", "enum": ["x"]},
        "f": {"type": "file"},
        "n": {"type": "integer", "maximum": 2},
        "t": {"type": "string", "max_length": 3},
    }
    valid = {"c": "x", "f": "uploads:report", "n": 1, "t": "abc"}
    given = {} if code == "missing-input" else {**valid, **DECLARED_INPUTS[code]}
    problems = refused(check_inputs, parse(declaring(**declared)), given, ["uploads"])
    assert {problem.code for problem in problems} == {code}
    assert {problem.pointer.rpartition("/")[0] for problem in problems} == {"/inputs"}
    assert all(problem.hint for problem in problems)
