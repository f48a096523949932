"""Reviews in graph documents."""

from __future__ import annotations

import pytest

from flask_crewexec.graphs import estimate_calls
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Review
from flask_crewexec.graphs.review import MAX_MESSAGE
from flask_crewexec.graphs.review import MAX_VALUE
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import problems_of
from support.graphs.builders import task

REVIEW = "/nodes/1/data/review"
TEA = {"title": "Tea"}
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


def with_task(**data):
    return document([agent("a", max_iter=2), task("t", **data)], "a t")


def review_of(**data):
    (checked,) = parse(with_task(**data)).tasks
    return checked.review


class TestReview:
    def test_is_off_by_default_and_has_defaults(self):
        assert review_of() is None
        assert review_of(human_input=True) == Review()
        assert review_of(review={}) == Review()

    def test_says_who_is_asked_what(self):
        assert review_of(
            review={
                "message": "Good?",
                "decisions": ["reject", "approve"],
                "assignees": {"users": ["ann", "bob", "ann"], "roles": ["editor"]},
                "expires_in": 60,
                "on_expiry": "approve",
                "max_rounds": 2,
                "four_eyes": True,
            }
        ) == Review(
            "Good?",
            ("approve", "reject"),
            ("ann", "bob"),
            ("editor",),
            60,
            "approve",
            2,
            four_eyes=True,
        )

    @pytest.mark.parametrize(
        ("review", "below", "code"),
        [
            ("x", "", "wrong-type"),
            ({"message": " "}, "/message", "blank"),
            ({"decisions": "approve"}, "/decisions", "wrong-type"),
            ({"decisions": ["approve", "x"]}, "/decisions/1", "unknown-decision"),
            ({"decisions": []}, "/decisions", "no-final-decision"),
            ({"decisions": ["change"]}, "/decisions", "no-final-decision"),
            ({"assignees": ["ann"]}, "/assignees", "wrong-type"),
            ({"assignees": {"groups": []}}, "/assignees/groups", "unknown-field"),
            ({"assignees": {"users": [1]}}, "/assignees/users/0", "wrong-type"),
            ({"assignees": {"roles": [" "]}}, "/assignees/roles/0", "blank"),
            ({"expires_in": 0}, "/expires_in", "out-of-range"),
            ({"on_expiry": "later"}, "/on_expiry", "unknown-expiry"),
            ({"on_expiry": "default"}, "/default", "misplaced-default"),
            ({"default": "x"}, "/default", "misplaced-default"),
            ({"on_expiry": "approve", "default": "x"}, "/default", "misplaced-default"),
            ({"on_expiry": "default", "default": 1}, "/default", "wrong-type"),
            ({"on_expiry": "default", "default": " "}, "/default", "blank"),
            ({"on_expiry": "default", "default": "x" * 20_001}, "/default", "too-long"),
            ({"on_expiry": "default", "default": {"x": "x" * 20_000}}, "/default", "too-long"),
            ({"on_expiry": "default", "default": {}}, "/default", "default-mismatch"),
            ({"max_rounds": 0}, "/max_rounds", "out-of-range"),
            ({"four_eyes": 1}, "/four_eyes", "wrong-type"),
            ({"four_eyes": True}, "/four_eyes", "four-eyes-unassigned"),
        ],
    )
    def test_what_is_wrong_is_found_at_its_place(self, review, below, code):
        assert problems_of(with_task(review=review)) == [(f"{REVIEW}{below}", code)]

    @pytest.mark.parametrize(
        ("default", "below"), [("x", ""), ({"title": 1}, "/title"), ({}, ""), (TEA, None)]
    )
    def test_a_default_must_match_the_output_schema(self, default, below):
        review = {"on_expiry": "default", "default": default}
        expected = [] if below is None else [(f"{REVIEW}/default{below}", "default-mismatch")]
        assert problems_of(with_task(review=review, output_schema=SCHEMA)) == expected

    def test_a_default_is_an_answer(self):
        expiry = {"on_expiry": "default"}
        assert review_of(review={**expiry, "default": "x"}).default == {"text": "x"}
        of_object = review_of(review={**expiry, "default": TEA}, output_schema=SCHEMA)
        assert of_object.default == {"value": TEA}

    def test_the_message_may_contain_inputs(self):
        graph = parse(with_task(review={"message": "Is {topic} good?"}))
        assert graph.placeholders == ("topic",)
        (checked,) = graph.filled({"topic": "{tea}"}).tasks
        assert checked.review.message == "Is {tea} good?"

    def test_long_values_and_messages_are_cut(self):
        values = {"topic": "x" * 10_000}
        long = review_of(review={"message": "{topic} is the topic."}).filled(values)
        assert long.message == f"{'x' * (MAX_VALUE - 1)}… is the topic."
        longer = review_of(review={"message": "{topic}" * 100}).filled(values)
        assert len(longer.message) == MAX_MESSAGE

    @pytest.mark.parametrize(
        ("inputs", "code"),
        [({"tea": {}}, "undeclared-input"), ({"topic": {"type": "file"}}, "misplaced-file")],
    )
    def test_inputs_in_the_message_must_be_declared_and_short(self, inputs, code):
        asked = {**with_task(review={"message": "Is {topic} good?"}), "inputs": inputs}
        assert problems_of(asked) == [(f"{REVIEW}/message", code)]

    def test_each_round_may_need_as_many_answers_as_the_checks_allow(self):
        once = estimate_calls(parse(with_task())).upper
        asked = {"review": {"max_rounds": 3}}
        assert estimate_calls(parse(with_task(**asked))).upper == 3 * once
        checked = {"output_schema": {"type": "object"}, "guardrail_max_retries": 1}
        assert estimate_calls(parse(with_task(**asked, **checked))).upper == 6 * once
        no_change = {"review": {"decisions": ["approve"]}}
        assert estimate_calls(parse(with_task(**no_change))).upper == once
