"""What a graph declares of its inputs, and what is accepted for them."""

from __future__ import annotations

import typing as t

import jsonschema
import pytest
from hypothesis import given
from hypothesis import settings

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.errors import InvalidInputs
from flask_crewexec.errors import MAX_PROBLEMS
from flask_crewexec.graphs import check_inputs
from flask_crewexec.graphs import find_changes
from flask_crewexec.graphs import find_hint
from flask_crewexec.graphs import inputs_schema
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import texts_of
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import problems_of
from support.graphs.builders import task
from support.graphs.input_strategies import declared_inputs
from support.graphs.input_strategies import STORAGES


def about(inputs, description="Write", **data):
    nodes = [agent("a", **data), task("t", description=description)]
    return document(nodes, "a t", inputs=inputs)


def refusals(inputs, given, storages=STORAGES):
    """Return pointer and code of each problem."""
    try:
        check_inputs(parse(about(inputs)), given, storages)
    except InvalidInputs as error:
        return [(problem.pointer, problem.code) for problem in error.problems]
    return []


class TestDeclaring:
    def test_everything_that_can_be_said(self):
        inputs = {
            "topic": {"type": "string", "description": "What about", "max_length": 9},
            "size": {"type": "string", "enum": ["short", "long"], "default": "short"},
            "count": {"type": "integer", "minimum": 1, "maximum": 5, "default": 3},
            "share": {"type": "number", "minimum": 0.5, "required": False},
            "draft": {"type": "boolean", "default": False},
            "tags": {"type": "array", "default": []},
            "more": {"type": "object", "default": {"a": {"b": None}}},
            "report": {"type": "file", "default": "uploads:template.md"},
            "any-thing": {},
        }
        graph = parse(about(inputs, "About {topic}"))
        assert graph.inputs == tuple(inputs)
        assert [each.name for each in graph.declared if each.required] == ["topic", "any-thing"]

    def test_what_no_text_uses_may_be_declared(self):
        assert problems_of(about({"other": {}})) == []

    def test_without_declarations_every_placeholder_is_an_input(self):
        assert parse(about({}, "{a} {b}")).inputs == ("a", "b")

    def test_with_declarations_every_placeholder_is_declared(self):
        bad = about({"a": {}}, "{a} {b}", goal="{c}", backstory="{a}")
        assert problems_of(bad) == [
            ("/nodes/0/data/goal", "undeclared-input"),
            ("/nodes/1/data/description", "undeclared-input"),
        ]

    def test_problems_are_counted_before_they_are_described(self):
        words = "".join(f"{{b{number}}}" for number in range(3000))
        bad = about({f"a{number}": {} for number in range(100)}, words)
        assert len(problems_of(bad)) == MAX_PROBLEMS + 1

    def test_the_managers_texts_count(self):
        managed = {**hierarchical(), "inputs": {"a": {}}}
        managed["nodes"][0]["data"]["goal"] = "Lead {team}"
        assert problems_of(managed) == [("/nodes/0/data/goal", "undeclared-input")]

    def test_a_file_is_no_part_of_a_name(self):
        bad = about({"f": {"type": "file"}}, "{f}", role="{f}")
        assert problems_of(bad) == [("/nodes/0/data/role", "misplaced-file")]

    def test_a_file_is_no_part_of_a_rule_which_events_and_errors_tell(self):
        nodes = [agent("a"), task("t", guardrails=[{"text": "About {f}."}])]
        bad = document(nodes, "a t", inputs={"f": {"type": "file"}})
        assert problems_of(bad) == [("/nodes/1/data/guardrails/0/text", "misplaced-file")]

    @pytest.mark.parametrize(
        ("inputs", "pointer", "code"),
        [
            ([], "", "wrong-type"),
            ({"a": None}, "/a", "wrong-type"),
            ({"a": {"kind": "string"}}, "/a/kind", "unknown-field"),
            ({"a": {"type": "path"}}, "/a/type", "unknown-input-type"),
            ({"a": {"type": None}}, "/a/type", "wrong-type"),
            ({"a": {"description": "x" * 2001}}, "/a/description", "too-long"),
            ({"a": {"required": 1}}, "/a/required", "wrong-type"),
            ({"a": {"default": None}}, "/a/default", "null-input"),
            ({"a": {"default": "x" * 20_000}}, "/a/default", "too-long"),
            ({"a": {"type": "integer", "default": "1"}}, "/a/default", "wrong-type"),
            ({"a": {"type": "integer", "default": True}}, "/a/default", "wrong-type"),
            ({"a": {"type": "integer", "default": 1.5}}, "/a/default", "wrong-type"),
            ({"a": {"type": "file", "default": "/etc/passwd"}}, "/a/default", "invalid-reference"),
            ({"a": {"default": 1, "required": True}}, "/a/required", "required-with-default"),
            ({"a": {"type": "string", "enum": []}}, "/a/enum", "out-of-range"),
            ({"a": {"type": "string", "enum": ["x"] * 101}}, "/a/enum", "out-of-range"),
            ({"a": {"type": "string", "enum": ["x" * 1001]}}, "/a/enum", "too-long"),
            ({"a": {"type": "string", "enum": "x"}}, "/a/enum", "wrong-type"),
            ({"a": {"type": "string", "enum": ["x", 1]}}, "/a/enum/1", "wrong-type"),
            ({"a": {"type": "number", "enum": [1], "minimum": 2}}, "/a/enum/0", "out-of-range"),
            (
                {"a": {"type": "string", "enum": ["x"], "default": "y"}},
                "/a/default",
                "not-in-enum",
            ),
            ({"a": {"enum": ["x"]}}, "/a/enum", "misplaced-field"),
            ({"a": {"type": "array", "max_length": 3}}, "/a/max_length", "misplaced-field"),
            ({"a": {"type": "string", "minimum": 3}}, "/a/minimum", "misplaced-field"),
            ({"a": {"type": "string", "max_length": 0}}, "/a/max_length", "out-of-range"),
            ({"a": {"type": "number", "maximum": 10**16}}, "/a/maximum", "out-of-range"),
            ({"a": {"type": "number", "minimum": 2, "maximum": 1}}, "/a/minimum", "empty-range"),
            ({"a b": {}}, "/a b", "invalid-input-name"),
            ({"": {}}, "/", "invalid-input-name"),
            ({"a.b": {}}, "/a.b", "invalid-input-name"),
            ({"a\n": {}}, "/a\n", "invalid-input-name"),
            ({"a" * 101: {}}, f"/{'a' * 100}…", "invalid-input-name"),
            ({"crew_chat_messages": {}}, "/crew_chat_messages", "reserved-input"),
            ({f"a{number}": {} for number in range(101)}, "", "too-many-inputs"),
        ],
    )
    def test_problems(self, inputs, pointer, code):
        bad = about(inputs)
        assert problems_of(bad) == [(f"/inputs{pointer}", code)]
        with pytest.raises(InvalidGraph) as refused:
            parse(bad)
        assert find_hint(refused.value.problems[0], bad, Permissions([], []))

    @pytest.mark.parametrize(
        ("said", "hint"),
        [
            ({"type": "text"}, 'Allowed are "string", "number"'),
            ({"typ": "string"}, 'Did you mean "type"?'),
            ({"type": "string", "enum": ["é", "b"], "default": "c"}, 'Allowed are "é", "b".'),
            ({"type": "integer", "maximum": 3, "default": 4}, "an integer of 3 or less."),
            ({"type": "string", "max_length": 0}, 'For example "max_length": 200.'),
            ("string", 'For example "topic": {"type": "string"}.'),
        ],
    )
    def test_hints(self, said, hint):
        bad = about({"a": said})
        with pytest.raises(InvalidGraph) as refused:
            parse(bad)
        assert hint in find_hint(refused.value.problems[0], bad, Permissions([], []))

    def test_changes_are_reported_by_input_and_field(self):
        old = about({"a": {"type": "string"}, "b": {}})
        new = about({"a": {"type": "number"}, "c": {"default": 1}})
        assert [change[:4] for change in find_changes(old, new)] == [
            ("removed", "document", None, "/inputs/b"),
            ("changed", "document", None, "/inputs/a/type"),
            ("added", "document", None, "/inputs/c"),
        ]


class TestChecking:
    def test_defaults_are_filled_in(self):
        graph = parse(about({"a": {"default": 1}, "b": {"default": [2]}, "c": {"required": False}}))
        assert check_inputs(graph, {"b": 3}) == {"a": 1, "b": 3}

    @pytest.mark.parametrize(
        ("said", "value", "code"),
        [
            ({"type": "string"}, 1, "wrong-type"),
            ({"type": "string", "max_length": 2}, "abc", "too-long"),
            ({"type": "number"}, "1", "wrong-type"),
            ({"type": "number"}, True, "wrong-type"),
            ({"type": "integer", "minimum": 1}, 0, "out-of-range"),
            ({"type": "integer", "maximum": 1}, 2, "out-of-range"),
            ({"type": "boolean"}, 1, "wrong-type"),
            ({"type": "array"}, {}, "wrong-type"),
            ({"type": "object"}, [], "wrong-type"),
            ({"type": "string", "enum": ["x", "y"]}, "z", "not-in-enum"),
            ({"required": False}, None, "null-input"),
            ({"type": "file"}, "other:a", "unknown-storage"),
            ({"type": "file"}, "uploads:../a", "invalid-reference"),
            ({"type": "file"}, "file:///etc/passwd", "invalid-reference"),
            ({"type": "file"}, "uploads:a\n", "invalid-reference"),
        ],
    )
    def test_refusals(self, said, value, code):
        assert refusals({"a": said}, {"a": value}) == [("/inputs/a", code)]

    def test_every_problem_is_reported_with_a_hint(self):
        graph = parse(about({"topic": {"type": "string"}, "size": {"enum": [1], "type": "number"}}))
        with pytest.raises(InvalidInputs) as refused:
            check_inputs(graph, {"tpoic": "x", "size": 2})
        assert [(p.pointer, p.code, p.hint) for p in refused.value.problems] == [
            (
                "/inputs/tpoic",
                "unknown-input",
                'Did you mean "topic"? The inputs are "topic", "size".',
            ),
            ("/inputs/topic", "missing-input", "Allowed is text."),
            ("/inputs/size", "not-in-enum", "Allowed are 1."),
        ]

    def test_a_default_from_a_storage_that_is_gone(self):
        inputs = {"a": {"type": "file", "default": "old:x"}}
        assert refusals(inputs, {}) == [("/inputs/a", "unknown-storage")]

    @pytest.mark.parametrize(
        ("bounds", "hint"),
        [
            ({"minimum": 1}, "Allowed is a number of 1 or more."),
            ({"maximum": 12345678}, "Allowed is a number of 12345678 or less."),
            ({"minimum": 0.5, "maximum": 2}, "Allowed is a number from 0.5 to 2."),
            ({}, "Allowed is a number."),
        ],
    )
    def test_hints_tell_the_bounds(self, bounds, hint):
        with pytest.raises(InvalidInputs) as refused:
            check_inputs(parse(about({"a": {"type": "number", **bounds}})), {"a": "x"})
        assert refused.value.problems[0].hint == hint

    def test_names_that_cannot_be_declared(self):
        given = {"a/b": 1, "": 2, "a": "x"}
        found = refusals({"a": {}}, given)
        assert sorted(found) == [("/inputs/", "unknown-input"), ("/inputs/a~1b", "unknown-input")]

    @settings(max_examples=5 * settings().max_examples)
    @given(declared_inputs())
    def test_the_schema_accepts_the_same(self, made):
        inputs, given = made
        source = about(inputs)
        assert problems_of(source) == []
        graph = parse(source)
        schema = inputs_schema(graph, STORAGES)
        jsonschema.Draft202012Validator.check_schema(schema)
        try:
            complete = check_inputs(graph, given, STORAGES)
        except InvalidInputs as error:
            complete = None
            hints = [problem.hint for problem in error.problems]
        assert complete is not None or all(hints)
        check = jsonschema.Draft202012Validator(schema)
        assert check.is_valid(given) == (complete is not None)
        assert complete is None or check.is_valid(complete)

    def test_the_schema_tells_what_a_form_needs(self):
        said = {"type": "integer", "description": "How many", "default": 2, "maximum": 9}
        sizes = {"type": "string", "enum": ["s", "l"], "max_length": 4}
        schema = inputs_schema(parse(about({"count": said, "size": sizes, "any": {}})))
        assert schema["properties"]["count"] == said
        assert schema["properties"]["size"] == {
            "type": "string",
            "enum": ["s", "l"],
            "maxLength": 4,
        }
        assert schema["required"] == ["size", "any"]
        assert schema["additionalProperties"] is False

    def test_without_a_storage_no_reference_is_right(self):
        schema = inputs_schema(parse(about({"f": {"type": "file"}})))
        assert not jsonschema.Draft202012Validator(schema).is_valid({"f": "uploads:a"})


class TestFilling:
    def text(self, description, inputs, **declared):
        graph = parse(about(declared, description))
        return graph.filled(texts_of(graph, inputs)).tasks[0].description

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("as it is", "as it is"),
            (1.5, "1.5"),
            (True, "true"),
            ([1, "é", None], '[1, "é", null]'),
            ({"a": {"b": "c"}}, '{"a": {"b": "c"}}'),
        ],
    )
    def test_values_are_shown_as_json(self, value, shown):
        assert self.text("<{a}>", {"a": value}) == f"<{shown}>"

    def test_braces_within_values_mean_nothing(self):
        assert self.text("{a}{b}{a}", {"a": "{b}", "b": "{a}"}) == "{b}{a}{b}"

    def test_an_optional_input_that_is_left_out_leaves_nothing(self):
        assert self.text("<{a}>", {}, a={"required": False}) == "<>"

    @pytest.mark.parametrize("text", ["{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{0}", "{}", "{ a }"])
    def test_nothing_but_names_is_filled_in(self, text):
        assert self.text(text, {"a": "x", "0": "y"}) == text

    def test_the_length_is_known_before(self):
        graph = parse(about({}, "{a}{a}{b}", goal="{a}"))
        texts = {"a": "x" * 50, "b": ""}
        workers: list[t.Any] = [*graph.filled(texts).agents, *graph.filled(texts).tasks]
        made = [getattr(worker, name) for worker in workers for name in worker.TEXTS]
        assert graph.filled_length(texts) == sum(map(len, made)) > 150
