"""Approvals of tool calls in graph documents, and what the host declares."""

from __future__ import annotations

import pytest

from flask_crewexec import Approval
from flask_crewexec.errors import InvalidGraph
from flask_crewexec.errors import Problem
from flask_crewexec.graphs import ApprovalTerms
from flask_crewexec.graphs import find_hint
from flask_crewexec.graphs import GraphApproval
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import required_terms
from flask_crewexec.graphs import RoleLimits
from flask_crewexec.graphs import validate
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import llm
from support.graphs.builders import problems_of
from support.graphs.builders import task
from support.graphs.builders import tool

APPROVAL = "/nodes/2/data/approval"


def with_tools(*approvals):
    """Return a graph with a node of the same tool for each approval; None says nothing."""
    said = [{} if each is None else {"approval": each} for each in approvals]
    tools = [tool(f"s{at}", "search", **each) for at, each in enumerate(said)]
    edges = [f"s{at} a" for at, _ in enumerate(approvals)]
    return document([agent("a"), task("t"), *tools], "a t", *edges)


def approval_of(value):
    return parse(with_tools(value)).approvals.get("search")


class TestDocument:
    def test_says_whether_and_how_people_are_asked(self):
        assert approval_of("always") == GraphApproval()
        assert approval_of({}) == GraphApproval()
        assert approval_of("never") is None
        assert approval_of(
            {
                "message": "May it?",
                "decisions": ["reject", "approve"],
                "assignees": {"users": ["ann"], "roles": ["editor"]},
                "expires_in": 60,
                "on_expiry": "default",
                "default": "Nobody has decided.",
                "four_eyes": True,
            }
        ) == GraphApproval(
            message="May it?",
            decisions=("approve", "reject"),
            users=("ann",),
            roles=("editor",),
            expires_in=60,
            on_expiry="default",
            default="Nobody has decided.",
            four_eyes=True,
        )

    @pytest.mark.parametrize(
        ("approval", "below", "code"),
        [
            (1, "", "wrong-type"),
            ("sometimes", "", "unknown-approval"),
            ({"message": " "}, "/message", "blank"),
            ({"decisions": "approve"}, "/decisions", "wrong-type"),
            ({"decisions": ["approve", "change"]}, "/decisions/1", "unknown-decision"),
            ({"decisions": []}, "/decisions", "no-final-decision"),
            ({"assignees": {"groups": []}}, "/assignees/groups", "unknown-field"),
            ({"expires_in": 0}, "/expires_in", "out-of-range"),
            ({"on_expiry": "hm"}, "/on_expiry", "unknown-expiry"),
            ({"on_expiry": "default"}, "/default", "misplaced-default"),
            ({"default": "x"}, "/default", "misplaced-default"),
            ({"max_rounds": 1}, "/max_rounds", "unknown-field"),
        ],
    )
    def test_what_is_wrong_is_found_at_its_place(self, approval, below, code):
        assert problems_of(with_tools(approval)) == [(f"{APPROVAL}{below}", code)]

    def test_a_hint_names_decisions_about_calls(self):
        graph = with_tools({"decisions": []})
        problem = Problem(f"{APPROVAL}/decisions", "no-final-decision", "")
        hint = find_hint(problem, graph, Permissions(["search"], ["default"]))
        assert hint == 'For example ["approve", "edit"].'

    def test_holds_for_all_nodes_of_a_tool(self):
        assert parse(with_tools("always", "always")).approvals == {"search": GraphApproval()}
        different = with_tools("always", {"message": "May it?"})
        assert problems_of(different) == [("/nodes/3/data/approval", "two-approvals")]


class TestTightening:
    """A graph may demand more than the host declares, but not less."""

    def found(self, *graphs, host_assigns=False, **host):
        approvals = {"search": Approval(**host).host_approval}
        limits = RoleLimits(approvals=approvals, host_assigns=host_assigns)
        permissions = Permissions(["search"], ["default"], role_limits=limits)
        try:
            validate(with_tools(*graphs), permissions)
        except InvalidGraph as error:
            return error.problems
        return []

    def problems(self, *graphs, **host):
        found = self.found(*graphs, **host)
        return [(each.pointer.removeprefix(APPROVAL), each.code) for each in found]

    @pytest.mark.parametrize(
        ("graph", "host"),
        [
            ("always", {}),
            ({"message": "May it?", "expires_in": 60}, {}),
            ({"four_eyes": True}, {"roles": ["boss"]}),
            ({"decisions": ["approve"]}, {}),
            ({"on_expiry": "reject"}, {"on_expiry": "approve"}),
            ({"on_expiry": "approve"}, {"on_expiry": "approve"}),
            ({"expires_in": 60}, {"expires_in": 60}),
            ({"expires_in": 60}, {"expires_in": 60, "on_expiry": "approve"}),
            ({"expires_in": 6, "on_expiry": "reject"}, {"on_expiry": "approve"}),
            ({"assignees": {"users": ["ann"]}}, {"graph_may_assign": True}),
            ({"decisions": ["edit"]}, {"decisions": ["approve", "edit"]}),
        ],
    )
    def test_it_is_tightened(self, graph, host):
        assert self.problems(graph, **host) == []

    @pytest.mark.parametrize(
        ("graph", "host", "below"),
        [
            ("never", {}, ""),
            ("never", {"when": lambda arguments, user_id: False}, ""),
            ({"decisions": ["edit"]}, {}, "/decisions"),
            ({"on_expiry": "approve"}, {"on_expiry": "reject"}, "/on_expiry"),
            ({"on_expiry": "default", "default": "x"}, {}, "/on_expiry"),
            ({"expires_in": 61}, {"expires_in": 60}, "/expires_in"),
            ({"expires_in": 1}, {"on_expiry": "approve"}, "/expires_in"),
            ({"expires_in": 1}, {"on_expiry": "approve", "expires_in": 60}, "/expires_in"),
            ({"expires_in": 1}, {"on_expiry": "default", "default": "x"}, "/expires_in"),
            ({"assignees": {"users": ["ann"]}}, {}, "/assignees"),
            ({"assignees": {"roles": ["boss"]}}, {"roles": ["boss"]}, "/assignees"),
        ],
    )
    def test_it_is_not_loosened(self, graph, host, below):
        assert self.problems(graph, **host) == [(below, "looser-approval")]

    def test_somebody_may_answer(self):
        code = "four-eyes-unassigned"
        may_assign = {"graph_may_assign": True, "four_eyes": True}
        assert self.problems({"four_eyes": True}) == [("/four_eyes", code)]
        assert self.problems({"four_eyes": True}, graph_may_assign=True) == [("/four_eyes", code)]
        assert self.problems({"expires_in": 9}, **may_assign) == [("/four_eyes", code)]
        assert self.problems(None, **may_assign) == [("", code)]
        for graph in (None, {"expires_in": 9}):
            assert self.problems(graph, four_eyes=True) == [("/nodes/2/data/name", code)]

    def test_who_may_not_name_others_is_not_told_to(self):
        (problem,) = self.found(None, four_eyes=True)
        assert "must be registered with roles" in problem.detail
        assert "assignees" not in problem.detail + problem.hint
        (problem,) = self.found(None, four_eyes=True, graph_may_assign=True)
        assert 'Name others in "assignees" of "approval"' in problem.detail

    def test_another_node_of_the_tool_may_name_them(self):
        named = {"assignees": {"users": ["ann"]}}
        host = {"four_eyes": True, "graph_may_assign": True}
        assert self.problems(named, None, **host) == []
        assert self.problems(None, named, **host) == []

    @pytest.mark.parametrize(
        ("graph", "host"),
        [
            (None, {"four_eyes": True}),
            ({"message": "May it?"}, {"four_eyes": True}),
            ({"four_eyes": True}, {}),
            (None, {"four_eyes": True, "graph_may_assign": True}),
        ],
    )
    def test_a_function_of_the_host_may_name_somebody(self, graph, host):
        assert self.problems(graph, **host) != []
        assert self.problems(graph, host_assigns=True, **host) == []

    def test_a_graph_that_needs_others_names_them_where_it_may(self):
        found = self.problems({"four_eyes": True}, host_assigns=True, graph_may_assign=True)
        assert found == [("/four_eyes", "four-eyes-unassigned")]

    def test_who_may_edit_may_not_be_all_who_are_asked(self):
        code, may_edit = "no-final-decision", {"decisions": ["approve", "edit"], "roles": ["boss"]}
        edit = {"decisions": ["edit"]}
        assert self.problems(edit, four_eyes=True, **may_edit) == [("/decisions", code)]
        assert self.problems(edit | {"four_eyes": True}, **may_edit) == [("/decisions", code)]
        assert self.problems({"four_eyes": True}, **may_edit | edit) == [("/four_eyes", code)]
        assert self.problems(edit, **may_edit) == []

    def test_an_edited_call_may_need_no_approval_unless_the_graph_wants_it_for_all(self):
        host = {"when": lambda arguments, user_id: False, "four_eyes": True, "roles": ["boss"]}
        host["decisions"] = ["edit"]
        assert self.problems(None, **host) == []
        assert self.problems("always", **host) == [("", "no-final-decision")]

    def test_a_model_of_the_same_name_needs_no_approval(self):
        host = {"search": Approval(four_eyes=True).host_approval}
        limits = RoleLimits(approvals=host)
        graph = document([agent("a"), task("t"), llm("m", "search")], "a t", "m a")
        validate(graph, Permissions([], ["search"], role_limits=limits))

    def test_the_stricter_terms_hold(self):
        """Also where a graph was stored before the host declared anything."""
        host = Approval(
            message="Costs money.", decisions=["approve", "reject"], expires_in=60
        ).host_approval
        graph = GraphApproval(
            message="May it?",
            decisions=("edit", "reject", "respond"),
            users=("ann",),
            expires_in=600,
            on_expiry="approve",
        )
        assert required_terms(host, graph) == ApprovalTerms(
            message="Costs money.\n\nThe author of the crew says: May it?",
            decisions=("reject",),
            expires_in=60,
        )
        assert required_terms(host, GraphApproval(on_expiry="reject", expires_in=6)) == (
            ApprovalTerms("Costs money.", ("approve", "reject"), (), (), 6, "reject")
        )

    @pytest.mark.parametrize("seconds", [None, 60])
    def test_what_counts_as_approved_after_a_time_does_not_count_sooner(self, seconds):
        host = Approval(on_expiry="approve", expires_in=seconds).host_approval
        assert required_terms(host, GraphApproval(expires_in=1)) == host.terms
        strict = required_terms(host, GraphApproval(expires_in=1, on_expiry="reject"))
        assert strict is not None
        assert (strict.expires_in, strict.on_expiry) == (1, "reject")

    def test_one_of_both_is_enough(self):
        host = Approval(roles={"boss"}).host_approval
        assert required_terms(None, None) is None
        assert required_terms(host, None) == ApprovalTerms(
            decisions=("approve", "reject"), roles=("boss",), roles_only=True
        )
        graph = GraphApproval(users=("ann",))
        assert required_terms(None, graph) == ApprovalTerms(users=("ann",))

    def test_a_graph_names_who_is_asked_where_it_may(self):
        graph = GraphApproval(users=("ann",))
        host = Approval(graph_may_assign=True).host_approval
        terms = required_terms(host, graph)
        assert terms is not None
        assert terms.users == ("ann",)
