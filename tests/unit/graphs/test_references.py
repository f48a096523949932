"""Names of tools, models and checks that must be registered."""

from __future__ import annotations

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import check_names
from flask_crewexec.graphs import digest
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import RoleLimits
from flask_crewexec.graphs import validate
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import llm
from support.graphs.builders import name_problems_of
from support.graphs.builders import sequential
from support.graphs.builders import task
from support.graphs.builders import tool


def with_tool_and_model():
    return document([agent("a"), task("t"), tool("s"), llm("m")], "a t", "s a", "m a")


def test_registered_names_are_accepted():
    graph = validate(with_tool_and_model(), Permissions({"search"}, {"small": object()}))
    assert graph == parse(with_tool_and_model())


def test_unknown_tool_lists_the_available_ones():
    with pytest.raises(InvalidGraph) as caught:
        validate(with_tool_and_model(), Permissions(["fetch", "browse"], ["small"]))
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.code) == ("/nodes/2/data/name", "unknown-tool")
    assert 'Available: "browse", "fetch".' in problem.detail


def test_unknown_model_lists_the_available_ones():
    with pytest.raises(InvalidGraph) as caught:
        validate(with_tool_and_model(), Permissions(["search"], []))
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.code) == ("/nodes/3/data/name", "unknown-model")
    assert "Available: none." in problem.detail


def test_agent_without_a_model_needs_the_default_one():
    assert name_problems_of(sequential()) == [("/nodes/0", "no-default-model")]
    assert name_problems_of(sequential(), models=["default"]) == []


def test_managing_agent_without_a_model_needs_the_default_one():
    source = hierarchical()
    source["nodes"].append(llm("m"))
    source["edges"].append({"source": "m", "target": "writer"})
    assert name_problems_of(source) == [("/nodes/0", "no-default-model")]


def test_managing_model_must_be_registered():
    nodes = [llm("m", "big"), llm("n"), agent("a"), task("t")]
    source = document(nodes, "m a manager", "n a", process="hierarchical")
    assert name_problems_of(source) == [("/nodes/0/data/name", "unknown-model")]


def test_names_of_a_stored_graph_can_be_checked_again():
    problems = check_names(parse(with_tool_and_model()), Permissions(tools=[], models=[]))
    assert [(problem.pointer, problem.code) for problem in problems] == [
        ("/nodes/2/data/name", "unknown-tool"),
        ("/nodes/3/data/name", "unknown-model"),
    ]


def with_demand(on_unknown):
    nodes = [agent("a"), task("t"), tool("s", on_unknown=on_unknown)]
    return document(nodes, "a t", "s a")


class TestOnUnknown:
    """A graph may forbid what a tool allows, but not allow what it forbids."""

    def problems(self, on_unknown, least):
        limits = RoleLimits(on_unknown=least)
        permissions = Permissions(["search"], ["default"], role_limits=limits)
        try:
            validate(with_demand(on_unknown), permissions)
        except InvalidGraph as error:
            return [(each.pointer, each.code) for each in error.problems]
        return []

    @pytest.mark.parametrize("on_unknown", ["repeat", "ask", "fail"])
    def test_it_is_tightened(self, on_unknown):
        assert self.problems(on_unknown, {"search": "repeat", "other": "fail"}) == []
        assert parse(with_demand(on_unknown)).on_unknown == {"search": on_unknown}

    @pytest.mark.parametrize(("least", "allowed"), [("repeat", 3), ("ask", 2), ("fail", 1)])
    def test_it_is_not_loosened(self, least, allowed):
        refused = [("/nodes/2/data/on_unknown", "must-not-repeat")]
        found = [self.problems(each, {"search": least}) for each in ("repeat", "ask", "fail")]
        assert found == [refused] * (3 - allowed) + [[]] * allowed

    def test_the_strictest_of_several_nodes_holds(self):
        source = with_demand("ask")
        source["nodes"].append(tool("s2", name="search", on_unknown="fail"))
        source["edges"].append({"source": "s2", "target": "a"})
        assert parse(source).on_unknown == {"search": "fail"}


def test_names_are_reported_together_with_structure():
    source = with_tool_and_model()
    source["nodes"].append(task("alone"))
    assert name_problems_of(source, tools=[]) == [
        ("/nodes/4", "task-without-agent"),
        ("/nodes/2/data/name", "unknown-tool"),
    ]


def test_node_without_a_right_name_is_reported_once():
    source = with_tool_and_model()
    source["nodes"][2]["data"]["name"] = ""
    assert name_problems_of(source) == [("/nodes/2/data/name", "blank")]


def test_document_that_cannot_be_read_is_refused():
    assert name_problems_of(None) == [("", "wrong-type")]


def test_digest_is_the_same_for_the_same_document():
    assert digest({"b": [1, 2.5], "a": "ü"}) == digest({"a": "ü", "b": [1, 2.5]})
    assert digest({"b": 1, "a": 2}) == (
        "d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772"
    )


def test_digest_differs_when_the_document_does():
    other = sequential()
    other["nodes"][0]["data"]["goal"] = "Harm"
    assert digest(other) != digest(sequential())
    assert digest([1, 2]) != digest([2, 1])
