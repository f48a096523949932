"""What changed between two documents."""

from __future__ import annotations

import copy

import pytest

from flask_crewexec.graphs import find_changes
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import sequential
from support.graphs.builders import task


def changes(old, new):
    return [(c.kind, c.element, c.id, c.pointer, c.values) for c in find_changes(old, new)]


def test_nothing():
    assert changes(hierarchical(), hierarchical()) == []


def test_the_documents_own_fields():
    new = {**sequential(), "name": "Another", "description": "New"}
    assert changes(sequential(), new) == [
        ("changed", "document", None, "/name", {"old": "A graph", "new": "Another"}),
        ("added", "document", None, "/description", {"new": "New"}),
    ]


def test_nodes_and_edges_that_come_and_go():
    old = document([agent("a"), task("x"), task("y")], "a x", "a y")
    new = document([agent("a"), task("x"), task("z")], "a x", "a z")
    assert changes(old, new) == [
        ("removed", "node", "y", "/nodes/2", {"old": task("y")}),
        ("added", "node", "z", "/nodes/2", {"new": task("z")}),
        ("removed", "edge", "a → y", "/edges/1", {"old": {"source": "a", "target": "y"}}),
        ("added", "edge", "a → z", "/edges/1", {"new": {"source": "a", "target": "z"}}),
    ]


def test_fields_of_a_node_are_named_where_a_document_has_them():
    old, new = sequential(), sequential()
    del new["nodes"][1]["data"]["expected_output"]
    new["nodes"][1]["data"] |= {"description": "Do more", "name": "Writing"}
    new["nodes"].insert(0, agent("b"))
    assert changes(old, new) == [
        ("added", "node", "b", "/nodes/0", {"new": agent("b")}),
        ("removed", "node", "write", "/nodes/1/data/expected_output", {"old": "A text"}),
        (
            "changed",
            "node",
            "write",
            "/nodes/2/data/description",
            {"old": "Do it", "new": "Do more"},
        ),
        ("added", "node", "write", "/nodes/2/data/name", {"new": "Writing"}),
    ]


def test_the_type_of_an_edge():
    new = hierarchical()
    new["edges"][0]["type"] = "smoothstep"
    old = hierarchical()["edges"][0]["type"]
    assert changes(hierarchical(), new) == [
        (
            "changed",
            "edge",
            "boss → writer",
            "/edges/0/type",
            {"old": old, "new": "smoothstep"},
        )
    ]


def test_another_order_is_a_change_because_tasks_run_in_it():
    old = document([agent("a"), task("x"), task("y")], "a x", "a y")
    new = document([agent("a"), task("y"), task("x")], "a x", "a y")
    assert changes(old, new) == [
        ("moved", "node", "y", "/nodes/1", {"old": 2, "new": 1}),
        ("moved", "node", "x", "/nodes/2", {"old": 1, "new": 2}),
    ]


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), ([1], [True]), (None, 0)])
def test_values_that_only_python_takes_for_equal(old, new):
    documents = [{**sequential(), "viewport": {"x": value}} for value in (old, new)]
    ((*_, pointer, values),) = changes(*documents)
    assert pointer == "/viewport/x"
    assert (repr(values["old"]), repr(values["new"])) == (repr(old), repr(new))


def test_names_are_escaped_and_whole():
    name = "a/b~c" * 50
    new = {**sequential(), "viewport": {name: 1}}
    ((*_, pointer, _values),) = changes({**sequential(), "viewport": {}}, new)
    assert pointer == f"/viewport/{name.replace('~', '~0').replace('/', '~1')}"


def test_edges_with_the_same_ends_are_distinguished_by_their_order():
    old = document([agent("a"), task("x")], "a x", "a x straight")
    new = copy.deepcopy(old)
    del new["edges"][1]
    removed = {"source": "a", "target": "x", "type": "straight"}
    assert changes(old, new) == [("removed", "edge", "a → x", "/edges/1", {"old": removed})]
