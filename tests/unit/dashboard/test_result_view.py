"""How a result is shown: as a tree, as Markdown, and as text."""

from __future__ import annotations

import json

import pytest

from flask_crewexec.dashboard.formatting import SHOWN_CHARS
from flask_crewexec.dashboard.result_view import view_result


def test_an_object_or_a_list_is_a_tree() -> None:
    for value in ({"a": [1, None]}, [{"b": "c"}]):
        view = view_result(f"\n {json.dumps(value)}")
        assert view is not None
        assert (view.tree, view.rendered) == (value, None)


@pytest.mark.parametrize(
    "text",
    ["# Title", "12", '"text"', "{not json}", "[]", "{}", "[" * 30 + "1" + "]" * 30, "[" * 100_000],
)
def test_other_texts_are_markdown(text: str) -> None:
    view = view_result(text)
    assert view is not None
    assert view.tree is None
    assert view.rendered is not None
    assert view.text == text[:SHOWN_CHARS]


def test_the_beginning_of_long_json_is_no_json() -> None:
    view = view_result(json.dumps(["x" * SHOWN_CHARS]))
    assert view is not None
    assert view.tree is None
    assert view.is_cut


def test_there_may_be_none() -> None:
    assert view_result(None) is None
