"""What changed between two versions of a graph, in words."""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Callable

import pytest

from flask_crewexec.dashboard.change_descriptions import describe_changes
from flask_crewexec.dashboard.text_diff import Piece
from support.graphs import documents

Document = documents.Document

BASE: t.Final = documents.crew(
    [
        documents.agent("node_1", role="Writer"),
        documents.task("facts", "Tell facts"),
        documents.task("poem", "Write a poem"),
    ],
    ["node_1 facts", "node_1 poem", "facts poem"],
    inputs={"topic": {"type": "string"}},
)


def data(document: Document, id: str) -> Document:
    return t.cast(Document, next(each for each in document["nodes"] if each["id"] == id)["data"])


def changed(change: Callable[[Document], object]) -> list[str]:
    """The sentences about a change of the document."""
    newer = copy.deepcopy(BASE)
    change(newer)
    meant, drawn = describe_changes(BASE, newer)
    assert drawn == 0
    return [" ".join(filter(None, (each.kind, each.subject, each.detail))) for each in meant]


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (lambda new: new.update(name="crew 2"), ["changed Name from “test crew” to “crew 2”"]),
        (lambda new: new.update(process="hierarchical"), ["added Process “hierarchical”"]),
        (
            lambda new: new["inputs"]["topic"].update(max_length=20),
            ["added Inputs topic max_length 20"],
        ),
        (
            lambda new: data(new, "node_1").update(goal="Do better"),
            ["changed Agent “Writer”: goal from “Do well” to “Do better”"],
        ),
        (
            lambda new: data(new, "facts").update(expected_output="list"),
            ["changed Task “facts”: expected output from “text” to “list”"],
        ),
        (
            lambda new: data(new, "facts").update(markdown=True),
            ["added Task “facts”: markdown true"],
        ),
        (lambda new: new["nodes"].append(documents.named("t", "tool")), ["added Tool “t”"]),
        (
            lambda new: new["edges"].pop(),
            ["removed Connection from Task “facts” to Task “poem”"],
        ),
        (
            lambda new: new["nodes"].insert(1, new["nodes"].pop()),
            ["moved Task “poem” from position 3 to 2", "moved Task “facts” from position 2 to 3"],
        ),
    ],
)
def test_changes_name_what_people_know(
    change: Callable[[Document], object], sentences: list[str]
) -> None:
    assert changed(change) == sentences


def test_long_texts_are_compared_by_words() -> None:
    older, newer = (copy.deepcopy(BASE) for _ in range(2))
    data(older, "facts")["description"] = f"Tell {'many ' * 30}facts."
    data(newer, "facts")["description"] = f"Tell {'many ' * 30}lies."
    (change,) = describe_changes(older, newer).meant
    assert change.subject == "Task “facts”: description"
    assert change.detail == ""
    assert Piece("removed", "facts") in change.pieces
    assert Piece("added", "lies") in change.pieces


def test_where_nodes_are_drawn_is_only_counted() -> None:
    newer = copy.deepcopy(BASE)
    newer["nodes"][0] |= {"position": {"x": 1, "y": 2}, "selected": True}
    assert describe_changes(BASE, newer) == ([], 2)
