"""What parsing returns."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import pytest

from flask_crewexec.graphs import AgentNode
from flask_crewexec.graphs import LlmNode
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import TaskNode
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import llm
from support.graphs.builders import problems_of
from support.graphs.builders import sequential
from support.graphs.builders import task
from support.graphs.builders import tool

REACT_FLOW_NODE = {
    "position": {"x": 1.5, "y": -2},
    "positionAbsolute": {"x": 1.5, "y": -2},
    "measured": {"width": 150, "height": 40},
    "width": 150,
    "height": 40,
    "selected": False,
    "dragging": False,
    "draggable": True,
    "selectable": True,
    "connectable": True,
    "deletable": True,
    "hidden": False,
    "style": {"color": "red"},
    "className": "crew",
    "zIndex": 3,
    "sourcePosition": "right",
    "targetPosition": "left",
    "parentId": "group",
    "extent": "parent",
    "expandParent": True,
    "handles": [],
    "dragHandle": ".handle",
    "origin": [0.5, 0.5],
    "initialWidth": 100,
    "initialHeight": 40,
    "ariaLabel": "A node",
    "ariaRole": "group",
    "domAttributes": {},
    "focusable": True,
    "resizing": False,
}
REACT_FLOW_EDGE = {
    "sourceHandle": None,
    "targetHandle": "in",
    "animated": True,
    "label": "then",
    "labelStyle": {},
    "labelShowBg": True,
    "style": {"stroke": "#000"},
    "className": "edge",
    "markerStart": "arrow",
    "markerEnd": {"type": "arrowclosed"},
    "data": {"anything": 1},
    "selected": False,
    "hidden": False,
    "zIndex": 0,
    "deletable": True,
    "selectable": True,
    "focusable": True,
    "reconnectable": "source",
    "interactionWidth": 20,
    "pathOptions": {"offset": 5},
    "ariaLabel": "An edge",
}


def test_sequential_graph_is_resolved():
    graph = parse(
        document(
            [
                agent("a", backstory="Old hand", allow_delegation=True, max_iter=5),
                task("t1", name="Research", description="Find {topic}"),
                task("t2"),
                tool("s"),
                llm("m", temperature=0.5, max_tokens=100),
            ],
            "a t1",
            "a t2",
            "t1 t2",
            "s a",
            "s t2",
            "m a",
        )
    )
    model = LlmNode("m", "small", 0.5, 100)
    assert graph.name == "A graph"
    assert graph.process == "sequential"
    assert graph.manager is None
    assert graph.agents == (
        AgentNode("a", "Role a", "Help", "Old hand", True, 5, model, ("search",)),
    )
    assert graph.tasks == (
        TaskNode("t1", "Research", "Find {topic}", "A text", "a", (), ()),
        TaskNode("t2", "t2", "Do it", "A text", "a", ("t1",), ("search",)),
    )


def test_left_out_fields_have_defaults():
    graph = parse(sequential())
    assert graph.agents == (AgentNode("writer", "Role writer", "Help", "", False, 20, None, ()),)
    assert parse(document([agent("a"), task("t"), llm("m")], "a t", "m a")).agents[0].llm == (
        LlmNode("m", "small", None, None)
    )


def test_managing_agent_is_not_among_the_agents():
    graph = parse(hierarchical())
    assert isinstance(graph.manager, AgentNode)
    assert graph.manager.id == "boss"
    assert [agent.id for agent in graph.agents] == ["writer"]
    assert graph.tasks[0].agent_id is None


def test_managing_agent_keeps_its_model():
    source = hierarchical()
    source["nodes"].append(llm("m"))
    source["edges"].append({"source": "m", "target": "boss"})
    manager = parse(source).manager
    assert isinstance(manager, AgentNode)
    assert manager.llm == LlmNode("m", "small")


def test_model_can_manage():
    nodes = [llm("m"), agent("a"), agent("b"), task("t")]
    graph = parse(
        document(nodes, "m a manager", "m b manager", "m b", "a t", process="hierarchical")
    )
    assert graph.manager == LlmNode("m", "small")
    assert [(agent.id, agent.llm) for agent in graph.agents] == [
        ("a", None),
        ("b", LlmNode("m", "small")),
    ]
    assert graph.tasks[0].agent_id == "a"


def test_react_flow_export_is_accepted():
    source = sequential()
    source["viewport"] = {"x": 0, "y": 0, "zoom": 1}
    source["description"] = "Drawn by hand"
    for node in source["nodes"]:
        node.update(REACT_FLOW_NODE)
        node["data"]["label"] = "Shown in the editor"
    for edge in source["edges"]:
        edge.update(REACT_FLOW_EDGE, id="xy-edge__" + "0123456789" * 20 + "{in}")
    assert parse(source) == parse(sequential())


@pytest.mark.parametrize(
    "renderer", ["default", "straight", "step", "smoothstep", "simplebezier", "bezier", "assign"]
)
def test_edge_type_may_be_a_renderer_or_the_meaning(renderer):
    source = sequential()
    source["edges"][0]["type"] = renderer
    assert parse(source) == parse(sequential())


def test_every_meaning_may_be_named():
    nodes = [agent("a"), task("t"), task("u"), tool("s"), llm("m")]
    ends = ["a t", "a u", "t u", "s a", "s u", "m a"]
    names = ["assign", "assign", "context", "tool", "tool", "llm"]
    named = [f"{end} {name}" for end, name in zip(ends, names, strict=True)]
    assert parse(document(nodes, *named)) == parse(document(nodes, *ends))


def test_two_nodes_for_one_tool_offer_it_once():
    source = document([agent("a"), task("t"), tool("s1"), tool("s2")], "a t", "s1 a", "s2 a")
    assert parse(source).agents[0].tools == ("search",)


def order_of(*names, edges=()):
    nodes = [agent("boss"), *(task(name) for name in names)]
    source = document(nodes, *(f"boss {name}" for name in names), *edges)
    return [task.id for task in parse(source).tasks]


def test_tasks_without_context_stay_in_document_order():
    assert order_of("z", "m", "a", "k") == ["z", "m", "a", "k"]


def test_tasks_stay_in_document_order_when_edges_agree_with_it():
    assert order_of("z", "m", "a", "k", edges=["z k", "m a"]) == ["z", "m", "a", "k"]


def test_task_runs_after_its_context_and_moves_no_further_than_needed():
    assert order_of("z", "m", "a", "k", edges=["a z"]) == ["m", "a", "z", "k"]


def test_context_is_in_execution_order_whatever_the_order_of_edges():
    nodes = [agent("x"), task("last"), task("one"), task("two")]
    source = document(nodes, "x last", "x one", "x two", "two last", "one last")
    assert parse(source).tasks[-1].context == ("one", "two")


def test_graph_cannot_be_changed():
    graph = parse(sequential())
    with pytest.raises(AttributeError):
        graph.name = "Other"  # type: ignore[misc]


def test_crewai_is_not_imported():
    code = "import sys, flask_crewexec.graphs; sys.exit('crewai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_valid_documents_have_no_problems():
    assert problems_of(sequential()) == []
    assert problems_of(hierarchical()) == []


def test_many_values_below_a_long_key_cost_no_more_memory_than_they_have():
    value = {"k" * 100_000: [1] * 100_000}
    tracemalloc.start()
    problems_of(value)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000


def test_stops_after_a_hundred_problems_with_short_pointers():
    problems = problems_of({"k" * 100_000: [float("nan")] * 1000})
    assert len(problems) == 101
    assert problems[-1] == ("", "too-many-problems")
    assert all(len(pointer) < 200 for pointer, _ in problems)
