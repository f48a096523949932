"""Who answers the questions of agents, in graph documents."""

from __future__ import annotations

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import find_hint
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import QuestionTerms
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import problems_of
from support.graphs.builders import task
from support.graphs.builders import tool

NODE = "/nodes/2/data"


def with_tools(*data, name="ask_person"):
    tools = [tool(f"s{at}", name, **each) for at, each in enumerate(data)]
    edges = [f"s{at} a" for at, _ in enumerate(data)]
    return document([agent("a"), task("t"), *tools], "a t", *edges)


def hints_of(bad):
    with pytest.raises(InvalidGraph) as refused:
        parse(bad)
    return [find_hint(each, bad, Permissions([], [])) for each in refused.value.problems]


class TestDocument:
    def test_says_who_is_asked_and_until_when(self):
        said = {
            "assignees": {"users": ["ann", "ann"], "roles": ["editor"]},
            "expires_in": 60,
            "on_expiry": "default",
            "default": "Nobody knows.",
            "four_eyes": True,
        }
        assert parse(with_tools(said)).question == QuestionTerms(
            users=("ann",),
            roles=("editor",),
            expires_in=60,
            on_expiry="default",
            default="Nobody knows.",
            four_eyes=True,
        )

    def test_lets_the_owner_be_asked_if_it_says_nothing(self):
        assert parse(with_tools({})).question == QuestionTerms()

    @pytest.mark.parametrize(
        ("data", "below", "code"),
        [
            ({"assignees": ["ann"]}, "/assignees", "wrong-type"),
            ({"assignees": {"users": [5]}}, "/assignees/users/0", "wrong-type"),
            ({"assignees": {"groups": []}}, "/assignees/groups", "unknown-field"),
            ({"expires_in": 0}, "/expires_in", "out-of-range"),
            ({"on_expiry": "approve"}, "/on_expiry", "unknown-expiry"),
            ({"on_expiry": "default"}, "/default", "misplaced-default"),
            ({"default": "x"}, "/default", "misplaced-default"),
            ({"four_eyes": True}, "/four_eyes", "four-eyes-unassigned"),
            ({"four_eyes": 1}, "/four_eyes", "wrong-type"),
            ({"approval": "always"}, "/approval", "misplaced-field"),
            ({"approval": "never"}, "/approval", "misplaced-field"),
            ({"decisions": ["respond"]}, "/decisions", "unknown-field"),
        ],
    )
    def test_what_is_wrong_is_found_at_its_place(self, data, below, code):
        assert problems_of(with_tools(data)) == [(f"{NODE}{below}", code)]

    def test_only_one_tool_asks_people(self):
        bad = with_tools({"assignees": {"users": ["ann"]}, "expires_in": 9}, name="search")
        assert problems_of(bad) == [
            (f"{NODE}/assignees", "misplaced-field"),
            (f"{NODE}/expires_in", "misplaced-field"),
        ]
        assert all('use "approval"' in hint for hint in hints_of(bad))

    def test_hints_name_what_may_happen_on_expiry(self):
        bad = with_tools({"on_expiry": "approve"})
        assert hints_of(bad) == ['Allowed are "fail", "reject", "default".']

    def test_holds_for_all_questions(self):
        said = {"expires_in": 60}
        assert parse(with_tools({}, said, said)).question == QuestionTerms(expires_in=60)
        different = with_tools(said, {"expires_in": 61})
        assert problems_of(different) == [("/nodes/3/data", "two-questions")]
