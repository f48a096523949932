"""What differs between two drafts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_crewexec.dashboard.text_diff import compare
from flask_crewexec.dashboard.text_diff import Piece

TEXTS = st.text(alphabet="ab \n.", max_size=60)


@given(before=TEXTS, after=TEXTS)
def test_the_pieces_add_up_to_both_texts(before: str, after: str) -> None:
    pieces = compare(before, after)
    assert pieces is not None
    assert "".join(text for kind, text in pieces if kind != "added") == before
    assert "".join(text for kind, text in pieces if kind != "removed") == after


def test_within_a_line_words_are_compared() -> None:
    assert compare("Bees are black.\nEnd", "Bees are yellow.\nEnd") == [
        Piece("same", "Bees are "),
        Piece("removed", "black"),
        Piece("added", "yellow"),
        Piece("same", ".\nEnd"),
    ]


def test_equal_texts_are_one_piece() -> None:
    assert compare("a\nb", "a\nb") == [Piece("same", "a\nb")]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a\n" * 5_000, "b", None),
        ("a " * 9_000, "b " * 9_000, [("removed", "a " * 9_000), ("added", "b " * 9_000)]),
    ],
    ids=["many lines", "many words"],
)
def test_what_would_take_long_is_not_compared_in_detail(
    before: str, after: str, expected: list[Piece] | None
) -> None:
    assert compare(before, after) == expected
