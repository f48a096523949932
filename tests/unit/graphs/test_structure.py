"""Nodes and edges that must fit together."""

from __future__ import annotations

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import parse
from support.graphs.builders import agent
from support.graphs.builders import detail_of
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import llm
from support.graphs.builders import problems_of
from support.graphs.builders import sequential
from support.graphs.builders import task
from support.graphs.builders import tool


def test_missing_ends_are_reported_one_by_one():
    source = sequential()
    source["edges"] += [{"source": "ghost", "target": "phantom"}]
    assert problems_of(source) == [
        ("/edges/1/source", "unknown-node"),
        ("/edges/1/target", "unknown-node"),
    ]


def test_edge_to_itself_is_refused():
    source = sequential()
    source["edges"] += [{"source": "write", "target": "write"}]
    assert problems_of(source) == [("/edges/1", "self-loop")]


@pytest.mark.parametrize(
    "ends", ["t a", "t s", "s m", "m t", "s s2", "a s", "a m", "m s", "t m", "m m2"]
)
def test_edge_without_meaning_is_refused(ends):
    nodes = [agent("a"), task("t"), tool("s"), tool("s2"), llm("m"), llm("m2")]
    source = document(nodes, "a t", "s a", "s2 a", "m a", ends)
    problems = [problem for problem in problems_of(source) if problem[0] == "/edges/4"]
    assert problems == [("/edges/4", "impossible-edge")]


def test_impossible_edge_says_what_is_possible():
    detail = detail_of(document([agent("a"), task("t")], "a t", "t a"))
    for meaning in ("assign", "context", "tool", "llm", "manager"):
        assert meaning in detail


def test_unknown_edge_type_is_refused():
    source = document([agent("a"), task("t")], "a t guardrail")
    assert problems_of(source) == [("/edges/0/type", "unknown-edge-type")]
    assert '"assign", "context", "tool", "llm", "manager"' in detail_of(source)


@pytest.mark.parametrize("type", ["context", "tool", "llm", "manager"])
def test_edge_type_must_agree_with_the_ends(type):
    source = document([agent("a"), task("t")], f"a t {type}")
    assert problems_of(source) == [("/edges/0/type", "wrong-edge-type")]
    assert '"assign"' in detail_of(source)


def test_edge_between_agents_needs_a_type():
    source = hierarchical()
    del source["edges"][0]["type"]
    assert problems_of(source) == [("/edges/0", "untyped-edge")]
    source["edges"][0]["type"] = "smoothstep"
    assert problems_of(source) == [("/edges/0", "untyped-edge")]


def test_repeated_edge_is_refused():
    source = document([agent("a"), task("t")], "a t", "a t assign")
    assert problems_of(source) == [("/edges/1", "duplicate-edge")]


def test_graph_needs_agents_and_tasks():
    assert problems_of(document([])) == [("/nodes", "no-agents"), ("/nodes", "no-tasks")]


def test_task_needs_an_agent():
    source = sequential()
    source["nodes"].append(task("alone"))
    assert problems_of(source) == [("/nodes/2", "task-without-agent")]


@pytest.mark.parametrize("process", ["sequential", "hierarchical"])
def test_task_has_one_agent_at_most(process):
    nodes = [agent("a"), agent("b"), task("t"), llm("m")]
    manage = ["m a manager"] if process == "hierarchical" else ["m a"]
    source = document(nodes, "a t", "b t", *manage, process=process)
    assert problems_of(source) == [("/edges/1", "task-with-two-agents")]


def test_agent_has_one_model_at_most():
    source = document([agent("a"), task("t"), llm("m"), llm("n")], "a t", "m a", "n a")
    assert problems_of(source) == [("/edges/2", "agent-with-two-models")]


def test_agent_without_a_task_is_refused_in_a_sequential_graph():
    source = sequential()
    source["nodes"].append(agent("idle"))
    assert problems_of(source) == [("/nodes/2", "unused-agent")]


class TestCoworkers:
    nodes = (agent("a", allow_delegation=True), agent("b", allow_delegation=True), agent("c"))

    def problems(self, *edges):
        return problems_of(document([*self.nodes, task("t")], "a t", *edges))

    def test_need_no_task(self):
        assert self.problems("a b coworker", "b c coworker") == []
        graph = parse(document([*self.nodes, task("t")], "a t", "a b coworker", "b c coworker"))
        assert [each.id for each in graph.coworkers] == ["b", "c"]

    def test_must_be_reached_from_an_agent_with_a_task(self):
        assert self.problems("b c coworker") == [
            ("/nodes/1", "unused-agent"),
            ("/nodes/2", "unused-agent"),
        ]

    def test_are_asked_by_agents_that_delegate(self):
        assert self.problems("a b coworker", "a c coworker", "c b coworker") == [
            ("/edges/3", "coworker-without-delegation")
        ]

    def test_are_not_named_where_a_manager_asks_everybody(self):
        source = hierarchical()
        ids = [node["id"] for node in source["nodes"] if node["type"] == "agent"]
        source["edges"].append({"source": ids[-1], "target": ids[0], "type": "coworker"})
        assert (problems_of(source)[-1][1]) == "coworker-in-hierarchical"


def test_agent_without_a_task_is_accepted_in_a_hierarchical_graph():
    assert problems_of(hierarchical()) == []


def test_unused_tools_and_models_are_refused():
    source = sequential()
    source["nodes"] += [tool("s"), llm("m")]
    assert problems_of(source) == [("/nodes/2", "unused-node"), ("/nodes/3", "unused-node")]


def test_tool_on_a_wrong_edge_is_not_also_reported_as_unused():
    source = document([agent("a"), task("t"), tool("s")], "a t", "t s")
    assert problems_of(source) == [("/edges/1", "impossible-edge")]


@pytest.mark.parametrize("role", ["Chief Editor", "chief  editor ", 'CHIEF "EDITOR"'])
def test_roles_that_crewai_cannot_tell_apart_are_refused(role):
    nodes = [agent("a", role="Chief Editor"), agent("b", role=role), task("t"), task("u")]
    assert problems_of(document(nodes, "a t", "b u")) == [("/nodes/1/data/role", "duplicate-role")]


def test_repeated_task_name_is_refused():
    nodes = [agent("a"), task("t", name="Write"), task("u", name="Write")]
    source = document(nodes, "a t", "a u")
    assert problems_of(source) == [("/nodes/2/data/name", "duplicate-task-name")]


def test_task_name_equal_to_the_id_of_a_nameless_task_is_refused():
    source = document([agent("a"), task("t", name="u"), task("u")], "a t", "a u")
    assert problems_of(source) == [("/nodes/2/id", "duplicate-task-name")]


def test_cycle_names_its_tasks_along_the_edges_from_the_first_in_the_document():
    nodes = [agent("x"), task("free"), task("a"), task("b"), task("c")]
    assign = ["x free", "x a", "x b", "x c"]
    source = document(nodes, *assign, "free a", "c b", "b a", "a c")
    assert problems_of(source) == [("/nodes/2", "cycle")]
    assert "a → c → b → a" in detail_of(source)


def test_separate_cycles_are_reported_separately():
    names = ["a", "b", "c", "d"]
    nodes = [agent("x"), *(task(name) for name in names)]
    source = document(nodes, *(f"x {name}" for name in names), "a b", "b a", "c d", "d c")
    assert problems_of(source) == [("/nodes/1", "cycle"), ("/nodes/3", "cycle")]


def test_manager_is_refused_in_a_sequential_graph():
    nodes = [agent("a"), agent("b"), task("t"), task("u")]
    source = document(nodes, "a t", "b u", "a b manager")
    assert problems_of(source) == [("/edges/2", "manager-in-sequential")]


def test_hierarchical_graph_needs_a_manager():
    source = document([agent("a"), task("t")], "a t", process="hierarchical")
    assert problems_of(source) == [("/process", "no-manager")]


def test_second_manager_is_refused():
    source = hierarchical()
    source["nodes"].append(llm("m"))
    source["edges"].append({"source": "m", "target": "writer", "type": "manager"})
    assert problems_of(source) == [("/edges/1/source", "two-managers")]


def test_managed_manager_is_refused():
    source = hierarchical()
    source["edges"].append({"source": "writer", "target": "boss", "type": "manager"})
    assert problems_of(source) == [("/edges/1/source", "two-managers")]


def test_manager_with_tools_is_refused():
    source = hierarchical()
    source["nodes"].append(tool("s"))
    source["edges"].append({"source": "s", "target": "boss"})
    assert problems_of(source) == [("/edges/1", "manager-with-tools")]


def test_manager_with_a_task_is_refused():
    source = hierarchical()
    source["edges"].append({"source": "boss", "target": "write"})
    assert problems_of(source) == [("/edges/1", "manager-with-task")]


def test_problems_of_shape_and_structure_come_together():
    nodes = [agent("a", role=""), agent("idle"), task("t", max_iter=5), task("alone")]
    source = document(nodes, "a t", "ghost t", name=5, colour="red")
    assert set(problems_of(source)) == {
        ("/name", "wrong-type"),
        ("/colour", "unknown-field"),
        ("/nodes/0/data/role", "blank"),
        ("/nodes/2/data/max_iter", "unknown-field"),
        ("/edges/1/source", "unknown-node"),
        ("/nodes/1", "unused-agent"),
        ("/nodes/3", "task-without-agent"),
    }


def test_right_parts_are_not_reported_because_of_a_node_that_cannot_be_read():
    source = sequential()
    source["nodes"][0]["type"] = "robot"
    assert problems_of(source) == [("/nodes/0/type", "unknown-node-type")]


def test_message_counts_the_problems_and_tells_the_first():
    with pytest.raises(InvalidGraph, match=r"2 problems: The graph has no agent\."):
        parse(document([]))
    with pytest.raises(InvalidGraph, match=r"1 problem: "):
        parse([])
