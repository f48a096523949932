"""The part of JSON Schema that graphs may use, and answers checked with it."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest
from jsonschema import Draft202012Validator

from flask_crewexec.graphs import parse
from flask_crewexec.graphs import read_answer
from flask_crewexec.graphs.output_schema import KEYWORDS
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import problems_of
from support.graphs.builders import task

AT = "/nodes/1/data/output_schema"


def with_schema(schema):
    return document([agent("a"), task("t", output_schema=schema)], "a t")


def an_object(**more):
    return {"type": "object", **more}


def endless():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    return an_object(properties={"first": {"$ref": "#/$defs/node"}}, **{"$defs": {"node": node}})


def doubling():
    """Definitions of which each uses the next one twice."""
    names = [f"d{at}" for at in range(9)]
    uses = itertools.pairwise(names)
    definitions: dict[str, t.Any] = {a: {"anyOf": [{"$ref": f"#/$defs/{b}"}] * 2} for a, b in uses}
    definitions["d8"] = {"type": "string"}
    return an_object(properties={"x": {"$ref": "#/$defs/d0"}}, **{"$defs": definitions})


def nested(depth):
    schema = {"type": "string"}
    for _ in range(depth):
        schema = an_object(properties={"x": schema})
    return schema


class TestSchemas:
    @pytest.mark.parametrize(
        "schema",
        [
            an_object(),
            an_object(properties={"a": {"type": ["string", "null"], "maxLength": 3}}),
            an_object(
                properties={"all": {"type": "array", "items": {"$ref": "#/$defs/one"}}},
                **{"$defs": {"one": {"anyOf": [{"const": 1}, {"enum": ["a"]}]}}},
            ),
            an_object(additionalProperties=False, title="T", description="D"),
            nested(20),
        ],
    )
    def test_are_kept_as_they_are(self, schema):
        assert parse(with_schema(schema)).tasks[0].output_schema == schema

    @pytest.mark.parametrize(
        ("schema", "below", "code"),
        [
            (1, "", "wrong-type"),
            ({}, "", "invalid-schema"),
            ({"type": "string"}, "", "invalid-schema"),
            (an_object(required="title"), "/required", "invalid-schema"),
            (an_object(required=["a", "a"]), "/required", "invalid-schema"),
            (an_object(properties=[]), "/properties", "invalid-schema"),
            (an_object(properties={"a": 1}), "/properties/a", "invalid-schema"),
            (an_object(items=None), "/items", "invalid-schema"),
            (an_object(anyOf=[]), "/anyOf", "invalid-schema"),
            (an_object(allOf=[1]), "/allOf/0", "invalid-schema"),
            (an_object(maximum="9"), "/maximum", "invalid-schema"),
            (an_object(minLength=-1), "/minLength", "invalid-schema"),
            (an_object(minItems=True), "/minItems", "invalid-schema"),
            (an_object(type=["object", []]), "/type", "invalid-schema"),
            (an_object(enum={}), "/enum", "invalid-schema"),
            (an_object(title=1), "/title", "invalid-schema"),
            (an_object(properties={"a/b": {"type": "text"}}), "/properties/a~1b/type", None),
            (an_object(properties={"a": {"pattern": "(a+)+$"}}), "/properties/a/pattern", "key"),
            (an_object(**{"$id": "http://x"}), "/$id", "key"),
            (an_object(**{"$ref": "http://127.0.0.1/x"}), "/$ref", "schema-reference"),
            (an_object(**{"$ref": "#/$defs/none"}), "/$ref", "schema-reference"),
            (an_object(**{"$ref": "file:///etc/passwd"}), "/$ref", "schema-reference"),
            (an_object(description="x" * 20_001), "", "too-long"),
        ],
    )
    def test_others_are_refused_with_the_place(self, schema, below, code):
        expected = {"key": "unsupported-keyword", None: "invalid-schema"}.get(code, code)
        assert problems_of(with_schema(schema)) == [(AT + below, expected)]

    @pytest.mark.parametrize(
        ("schema", "code"),
        [
            (endless(), "schema-too-deep"),
            (doubling(), "schema-too-large"),
            (nested(21), "schema-too-deep"),
        ],
        ids=["endless", "doubling", "nested"],
    )
    def test_what_does_not_end_is_refused(self, schema, code):
        ((pointer, found),) = problems_of(with_schema(schema))
        assert (pointer.startswith(AT), found) == (True, code)

    @pytest.mark.parametrize("keyword", KEYWORDS)
    @pytest.mark.parametrize("said", [None, True, -1, 1.5, "x", "object", [], ["x"], [{}], {}])
    def test_none_is_kept_that_is_no_json_schema(self, keyword, said):
        schema = {"type": "object", "$defs": {}, keyword: said}
        if not problems_of(with_schema(schema)):
            Draft202012Validator.check_schema(schema)


class TestAnswers:
    SCHEMA = an_object(properties={"a": {"type": "integer"}}, required=["a"])

    @pytest.mark.parametrize(
        "text", ['{"a": 1}', '```json\n{"a": 1}\n```', 'Well: {"a": 1}. Good luck!', ' {"a":1}\n']
    )
    def test_the_object_is_found(self, text):
        assert read_answer(self.SCHEMA, text) == ({"a": 1}, "")

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [
            ("", "not a JSON object"),
            ("{", "not a JSON object"),
            ("[" * 100_000, "not a JSON object"),
            ('{"b": 1}', "'a' is a required property"),
            ('{"a": "1"}', "$.a"),
            ('{"a": 1e999}', "finite"),
            ('{"a": "' + "x" * 5000 + '"}', "…"),
        ],
    )
    def test_what_is_wrong_is_said_in_short(self, text, wrong):
        value, said = read_answer(self.SCHEMA, text)
        assert value is None
        assert wrong in said
        assert len(said) < 700


class TestWork:
    """Some of these would take minutes to hours."""

    def check(self, items, value):
        schema = an_object(properties={"a": {"type": "array", "items": items}})
        assert problems_of(with_schema(schema)) == []
        return read_answer(schema, json.dumps({"a": value}))

    @pytest.mark.timeout(60)
    def test_of_many_errors_is_cut_short(self):
        names = [f"{number:x}" for number in range(2000)]
        assert "is a required property" in self.check({"required": names}, [{}] * 20_000)[1]

    @pytest.mark.timeout(60)
    def test_of_many_schemas_is_given_up(self):
        one_of_many = {"anyOf": [*[{"type": "string"}] * 480, {"type": "integer"}]}
        value, wrong = self.check(one_of_many, [1] * 20_000)
        assert (value, "too long to be checked" in wrong) == (None, True)

    @pytest.mark.timeout(60)
    def test_of_long_sentences_is_given_up(self):
        long = {"anyOf": [{"type": "string"}] * 490}
        value, wrong = self.check({"anyOf": [long]}, [["x" * 900_000]])
        assert (value, "too long to be checked" in wrong) == (None, True)

    def test_of_a_long_answer_is_done(self):
        person = an_object(properties={"name": {"type": "string"}, "age": {"enum": [1, 2, 3]}})
        value, wrong = self.check(person, [{"name": "x", "age": 2}] * 10_000)
        assert (len(value["a"]), wrong) == (10_000, "")

    @pytest.mark.timeout(15)
    def test_of_many_schemas_in_a_document(self):
        nodes = [task(f"t{at}", output_schema=an_object(allOf=[{}] * 490)) for at in range(190)]
        edges = [f"a t{at}" for at in range(190)]
        assert problems_of(document([agent("a"), *nodes], *edges)) == []
