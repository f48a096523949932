"""Which steps a fork takes over."""

from __future__ import annotations

import copy

import pytest

from flask_crewexec.graphs import Crew
from flask_crewexec.graphs import Fork
from flask_crewexec.graphs import keeps_plan
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import plan_steps
from support.graphs import documents

INPUTS = {"x": "1", "y": "2", "z": "3"}


def crew():
    """Tasks a and b of two agents, of which c reads a only."""
    nodes = [documents.agent("one"), documents.agent("two", goal="Be {y}")]
    nodes += [documents.task("a", "Do a {x}"), documents.task("b"), documents.task("c")]
    return documents.crew(nodes, ["one a", "two b", "one c", "a c"])


def plan(old, new, *, inputs=INPUTS, from_step=None, edited=(), finished="abc"):
    changes = Fork(Crew(parse(old), INPUTS), Crew(parse(new), inputs), from_step, edited)
    steps = plan_steps(changes, finished)
    return {step.name: step.origin or (step.reason, *step.causes) for step in steps}


def with_data(id, **data):
    return documents.with_data(crew(), id, **data)


def renamed_ids():
    """The same crew with other ids of nodes, as after an import."""
    new = copy.deepcopy(crew())
    for node in new["nodes"]:
        if node["type"] == "task":
            node["data"]["name"] = node["id"]
        node["id"] = f"n-{node['id']}"
    for edge in new["edges"]:
        edge.update(source=f"n-{edge['source']}", target=f"n-{edge['target']}")
    return new


def with_nodes(*nodes, edges):
    new = crew()
    new["nodes"] += nodes
    new["edges"] += [dict(zip(("source", "target"), edge.split(), strict=True)) for edge in edges]
    return new


REUSED = dict.fromkeys("abc", "reused")
A_CHANGED = {"a": ("definition-changed", "task"), "b": "reused", "c": ("output-changed", "a")}
ONE_CHANGED = {
    "a": ("definition-changed", "agents"),
    "b": "reused",
    "c": ("definition-changed", "agents"),
}


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (crew(), REUSED),
        (renamed_ids(), REUSED),
        (crew() | {"name": "Other"}, REUSED),
        (with_data("a", description="Other {x}"), A_CHANGED),
        (with_data("a", expected_output="Other"), A_CHANGED),
        (with_data("a", markdown=True), A_CHANGED),
        (with_data("a", guardrails=[{"text": "Be {x}"}]), A_CHANGED),
        (with_data("a", human_input=True), A_CHANGED),
        (with_data("one", goal="Other"), ONE_CHANGED),
        (with_data("one", max_iter=3), ONE_CHANGED),
        (with_nodes(documents.named("t", "tool"), edges=["t one"]), ONE_CHANGED),
        (with_nodes(documents.named("m", "llm"), edges=["m one"]), ONE_CHANGED),
        (with_nodes(documents.named("t", "tool"), edges=["t a"]), A_CHANGED),
        (with_nodes(edges=["b c"]), REUSED | {"c": ("definition-changed", "context")}),
    ],
)
def test_changes_of_the_graph(new, expected):
    assert plan(crew(), new) == expected


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (INPUTS, REUSED),
        (INPUTS | {"x": "9"}, {"a": ("input-changed", "x"), "c": ("output-changed", "a")}),
        (INPUTS | {"x": 1}, {"a": ("input-changed", "x"), "c": ("output-changed", "a")}),
        (INPUTS | {"y": "9"}, {"b": ("input-changed", "y")}),
        (INPUTS | {"z": "9"}, REUSED),
    ],
    ids=str,
)
def test_changes_of_inputs(inputs, expected):
    assert plan(crew(), crew(), inputs=inputs) == REUSED | expected


@pytest.mark.parametrize(
    ("document", "step"),
    [
        (with_nodes(documents.named("t", "tool"), edges=["t two"]), "b"),
        (with_nodes(documents.named("t", "tool"), edges=["t b"]), "b"),
        (with_data("b", guardrails=[{"name": "check"}]), "b"),
        (with_data("b", condition="ask"), "b"),
    ],
)
def test_an_input_that_no_text_uses_reaches_functions(document, step):
    found = plan(document, document, inputs=INPUTS | {"z": "9"})
    assert found == REUSED | {step: ("input-changed", "z")}


def test_the_first_step_that_runs_in_any_case():
    found = plan(crew(), crew(), from_step="b")
    assert found == {"a": "reused", "b": ("from-step",), "c": ("from-step",)}


def test_steps_without_outputs():
    assert plan(crew(), crew(), finished="b") == {
        "a": ("not-finished",),
        "b": "reused",
        "c": ("not-finished",),
    }


def test_what_reads_an_edited_output_runs():
    expected = {"a": "edited", "b": "reused", "c": ("output-changed", "a")}
    assert plan(crew(), crew(), edited=["a"]) == expected


def test_a_condition_depends_on_the_step_before():
    document = with_data("c", condition="ask")
    expected = {"a": "reused", "b": "edited", "c": ("output-changed", "b")}
    assert plan(document, document, edited=["b"]) == expected


def test_delegation_and_managers_depend_on_every_agent():
    old = documents.with_data(crew(), "one", allow_delegation=True)
    new = documents.with_data(copy.deepcopy(old), "two", goal="Other {y}")
    assert plan(old, new) == dict.fromkeys("abc", ("definition-changed", "agents"))


class TestPlanner:
    def test_whatever_the_planner_reads_counts(self):
        old = crew() | {"planning": True}
        new = documents.with_data(copy.deepcopy(old), "b", description="Other")
        found = plan(old, new)
        assert found == {
            "a": ("plan-changed",),
            "b": ("definition-changed", "task"),
            "c": ("plan-changed",),
        }
        assert plan(old, old, inputs=INPUTS | {"y": "9"})["a"] == ("plan-changed",)

    def test_the_plan_is_kept_where_only_outputs_change(self):
        old = Crew(parse(crew() | {"planning": True}), INPUTS)
        assert keeps_plan(Fork(old, old, "b", ["a"]))
        assert plan(crew() | {"planning": True}, crew() | {"planning": True}) == REUSED

    def test_a_planner_that_comes_or_goes(self):
        planned = crew() | {"planning": True}
        for old, new in ((crew(), planned), (planned, crew())):
            assert plan(old, new)["a"] == ("plan-changed",)
