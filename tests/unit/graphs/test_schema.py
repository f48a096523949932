"""The form of a document: fields, types and limits."""

from __future__ import annotations

import typing as t

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import parse
from support.graphs.builders import agent
from support.graphs.builders import detail_of
from support.graphs.builders import document
from support.graphs.builders import llm
from support.graphs.builders import problems_of
from support.graphs.builders import sequential
from support.graphs.builders import task


def nested(levels: int) -> t.Any:
    value: t.Any = []
    for _ in range(levels):
        value = [value]
    return value


def changed(path: str, value: t.Any) -> dict[str, t.Any]:
    """Return a valid document with ``value`` at ``path``."""
    source = document([agent("a"), task("t"), llm("m")], "a t", "m a")
    *parents, last = path.strip("/").split("/")
    place: t.Any = source
    for token in parents:
        place = place[int(token) if isinstance(place, list) else token]
    place[last] = value
    return source


def without(path: str) -> dict[str, t.Any]:
    source = changed(path, None)
    *parents, last = path.strip("/").split("/")
    place: t.Any = source
    for token in parents:
        place = place[int(token) if isinstance(place, list) else token]
    del place[last]
    return source


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("/version", 2, "unknown-version"),
        ("/version", True, "unknown-version"),
        ("/version", 1.0, "unknown-version"),
        ("/version", "1", "unknown-version"),
        ("/name", " ", "blank"),
        ("/name", "x" * 201, "too-long"),
        ("/name", 5, "wrong-type"),
        ("/process", "parallel", "unknown-process"),
        ("/process", ["sequential"], "wrong-type"),
        ("/description", None, "wrong-type"),
        ("/description", "x" * 20_001, "too-long"),
        ("/nodes", {}, "wrong-type"),
        ("/edges", None, "wrong-type"),
        ("/nodes/0/id", "with space", "invalid-id"),
        ("/nodes/0/id", "newline\n", "invalid-id"),
        ("/nodes/0/id", "x" * 101, "invalid-id"),
        ("/nodes/0/id", "", "invalid-id"),
        ("/nodes/0/id", 5, "wrong-type"),
        ("/nodes/0/type", "group", "unknown-node-type"),
        ("/nodes/0/type", {}, "wrong-type"),
        ("/nodes/0/data", "text", "wrong-type"),
        ("/nodes/0/data/role", "", "blank"),
        ("/nodes/0/data/role", "x" * 201, "too-long"),
        ("/nodes/0/data/goal", "\n\t", "blank"),
        ("/nodes/0/data/goal", "x" * 20_001, "too-long"),
        ("/nodes/0/data/backstory", "x" * 20_001, "too-long"),
        ("/nodes/0/data/backstory", [], "wrong-type"),
        ("/nodes/0/data/allow_delegation", 1, "wrong-type"),
        ("/nodes/0/data/allow_delegation", "true", "wrong-type"),
        ("/nodes/0/data/max_iter", "5", "wrong-type"),
        ("/nodes/0/data/max_iter", 5.0, "wrong-type"),
        ("/nodes/0/data/max_iter", True, "wrong-type"),
        ("/nodes/0/data/max_iter", 0, "out-of-range"),
        ("/nodes/0/data/max_iter", 101, "out-of-range"),
        ("/nodes/1/data/name", " ", "blank"),
        ("/nodes/1/data/description", "x" * 20_001, "too-long"),
        ("/nodes/1/data/description", "", "blank"),
        ("/nodes/1/data/expected_output", " ", "blank"),
        ("/nodes/1/data/expected_output", "x" * 20_001, "too-long"),
        ("/nodes/2/data/name", "", "blank"),
        ("/nodes/2/data/temperature", 2.01, "out-of-range"),
        ("/nodes/2/data/temperature", -1, "out-of-range"),
        ("/nodes/2/data/temperature", True, "wrong-type"),
        ("/nodes/2/data/temperature", "0.5", "wrong-type"),
        ("/nodes/2/data/max_tokens", 0, "out-of-range"),
        ("/nodes/2/data/max_tokens", 1_000_001, "out-of-range"),
        ("/nodes/2/data/max_tokens", 1.5, "wrong-type"),
        ("/edges/0/source", 1, "wrong-type"),
        ("/edges/0/target", "no spaces", "invalid-id"),
        ("/edges/0/type", 1, "wrong-type"),
        ("/edges/0/id", 1, "wrong-type"),
    ],
)
def test_wrong_value_is_reported_where_it_is(path, value, code):
    assert problems_of(changed(path, value)) == [(path, code)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/name", "x" * 200),
        ("/nodes/0/data/backstory", ""),
        ("/nodes/0/data/goal", "x" * 20_000),
        ("/nodes/0/data/max_iter", 1),
        ("/nodes/0/data/max_iter", 100),
        ("/nodes/2/data/temperature", 0),
        ("/nodes/2/data/temperature", 2.0),
        ("/nodes/2/data/max_tokens", 1_000_000),
    ],
)
def test_values_at_the_bounds_are_accepted(path, value):
    assert problems_of(changed(path, value)) == []


def test_ids_may_have_a_hundred_characters():
    id = "aZ09_.:-" + "x" * 92
    assert problems_of(document([agent(id), task("t")], f"{id} t")) == []


@pytest.mark.parametrize(
    "path",
    [
        "/version",
        "/name",
        "/nodes",
        "/edges",
        "/nodes/0/id",
        "/nodes/0/type",
        "/nodes/0/data",
        "/nodes/0/data/role",
        "/nodes/0/data/goal",
        "/nodes/1/data/description",
        "/nodes/1/data/expected_output",
        "/nodes/2/data/name",
        "/edges/0/source",
        "/edges/0/target",
    ],
)
def test_missing_field_is_reported_where_it_should_be(path):
    assert problems_of(without(path)) == [(path, "missing-field")]


@pytest.mark.parametrize(
    "path", ["/tasks", "/nodes/0/code", "/nodes/0/data/llm", "/edges/0/guardrail"]
)
def test_unknown_field_is_refused_by_name(path):
    source = changed(path, "import os")
    assert problems_of(source) == [(path, "unknown-field")]
    assert path.rsplit("/", 1)[1] in detail_of(source)


def test_fields_of_one_node_type_are_unknown_to_another():
    assert problems_of(changed("/nodes/1/data/role", "x")) == [
        ("/nodes/1/data/role", "unknown-field")
    ]


def test_pointers_are_escaped():
    assert problems_of(changed("/nodes/0/data", {"role": "r", "goal": "g", "a/b~c": 1})) == [
        ("/nodes/0/data/a~1b~0c", "unknown-field")
    ]


def test_names_without_end_are_cut_in_sentences():
    assert len(detail_of(changed("x" * 100_000, 1))) < 500


def test_too_many_nodes_and_edges_are_refused_as_a_whole():
    source = document([task(f"t{at}") for at in range(201)])
    source["edges"] = [{}] * 1001
    assert problems_of(source) == [("/nodes", "too-many"), ("/edges", "too-many")]


def test_two_hundred_nodes_and_a_thousand_edges_are_accepted():
    names = [f"t{at}" for at in range(199)]
    context = [f"t{at} t{later}" for at in range(5) for later in range(at + 1, 199)]
    edges = [f"a {name}" for name in names] + context
    source = document([agent("a"), *(task(name) for name in names)], *edges[:1000])
    assert len(source["nodes"]) == 200
    assert len(source["edges"]) == 1000
    assert problems_of(source) == []


def test_repeated_node_id_is_refused():
    source = sequential()
    source["nodes"].append(task("write"))
    assert problems_of(source) == [("/nodes/2/id", "duplicate-id")]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 10**400])
def test_numbers_that_json_cannot_store_are_refused_even_in_ignored_fields(number):
    source = changed("/nodes/0/position", {"x": number})
    assert problems_of(source) == [("/nodes/0/position/x", "not-json")]


@pytest.mark.parametrize("text", ["a\x00b", "\ud83d", "x\udfff"])
def test_text_that_databases_cannot_store_is_refused(text):
    assert problems_of(changed("/nodes/0/data/role", text)) == [("/nodes/0/data/role", "bad-text")]
    assert problems_of(changed("/nodes/0/style", {text: 1})) == [("/nodes/0/style", "bad-text")]


def test_what_is_not_json_is_refused():
    assert problems_of(changed("/nodes/0/style", {1: 2})) == [("/nodes/0/style", "not-json")]
    assert problems_of(changed("/nodes/0/style", {"b": b"x", "a": [1, ()]})) == [
        ("/nodes/0/style/b", "not-json"),
        ("/nodes/0/style/a/1", "not-json"),
    ]


def test_nesting_is_limited():
    assert problems_of(changed("/viewport", nested(99))) == []
    too_deep = [("/viewport" + "/0" * 100, "too-deep")]
    assert problems_of(changed("/viewport", nested(100))) == too_deep
    assert problems_of(changed("/viewport", nested(100_000))) == too_deep


def test_endless_value_is_refused():
    endless: list[t.Any] = []
    endless.append(endless)
    assert [code for _, code in problems_of(endless)] == ["too-deep"]


ODD = [
    None,
    True,
    0,
    -1,
    10**5000,
    1e308,
    float("nan"),
    "",
    "text",
    "\ud800",
    [],
    [[]],
    [None],
    {},
    {"": ""},
    {"id": {}},
    {"version": []},
    {1: 1},
    (),
    {1, 2},
    b"bytes",
    object(),
    nested(5000),
]
PLACES = [
    "/version",
    "/name",
    "/process",
    "/description",
    "/nodes",
    "/edges",
    "/viewport",
    "/nodes/0/id",
    "/nodes/0/type",
    "/nodes/0/data",
    "/nodes/0/position",
    "/nodes/0/data/role",
    "/nodes/0/data/allow_delegation",
    "/nodes/0/data/max_iter",
    "/nodes/1/data/name",
    "/nodes/2/data/temperature",
    "/nodes/2/data/max_tokens",
    "/edges/0/id",
    "/edges/0/source",
    "/edges/0/target",
    "/edges/0/type",
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_only_invalid_graph_is_raised_for_an_odd_document(value):
    with pytest.raises(InvalidGraph) as caught:
        parse(value)
    assert caught.value.problems


@pytest.mark.parametrize("place", PLACES)
def test_only_invalid_graph_is_raised_for_an_odd_value_anywhere(place):
    for value in ODD:
        for pointer, _ in problems_of(changed(place, value)):
            assert pointer.startswith("/")


def test_only_invalid_graph_is_raised_for_odd_items():
    for value in ODD:
        assert problems_of(document([value], process="hierarchical"))
        assert problems_of({**sequential(), "edges": [value]})


def test_wrong_document_is_reported_at_the_root():
    assert problems_of([]) == [("", "wrong-type")]
