"""Tables fit the terminal."""

from __future__ import annotations

import pytest

from flask_crewexec.cli.tables import Column
from flask_crewexec.cli.tables import table_lines
from flask_crewexec.text import width_of

COLUMNS = (Column("ID"), Column("NAME", may_be_cut=True), Column("COUNT", is_number=True))
ROWS = [["a" * 10, "A name that is long " * 5, 7], ["b", "总结今天的新闻" * 5, 1234]]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_are_no_wider_than_the_terminal(width: int) -> None:
    lines = [*table_lines(COLUMNS, ROWS, width)]
    assert max(map(width_of, lines)) <= width
    assert [line.split()[-1] for line in lines] == ["COUNT", "7", "1234"]


def test_ids_are_never_cut() -> None:
    _, first, _ = table_lines(COLUMNS, ROWS, 10)
    assert first.startswith("a" * 10)


def test_columns_are_aligned_by_what_is_seen() -> None:
    lines = [*table_lines((Column("A"), Column("B")), [["总结", "x"], ["ab", "y"]], 80)]
    assert [
        width_of(line[: line.index(end)]) for line, end in zip(lines[1:], "xy", strict=True)
    ] == [
        6,
        6,
    ]


def test_control_characters_are_shown() -> None:
    _, line = table_lines((Column("A"),), [["a\x1b[2J\nb"]], 80)
    assert "\x1b" not in line
