"""Tables of text that fit the terminal."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Iterator
from collections.abc import Sequence

from ..text import fitted
from ..text import width_of
from .escaping import one_line

_GAP: t.Final = "  "
_MIN_WIDTH: t.Final = 8
"""Width below which no column is cut."""


class Column(t.NamedTuple):
    """A column of a table."""

    name: str
    may_be_cut: bool = False
    """Whether its texts may be shortened where the terminal is too narrow."""
    is_number: bool = False
    """Whether its texts end at its right edge."""


def terminal_width() -> int:
    """Return the width of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], width: int | None = None
) -> Iterator[str]:
    """Yield a header and one line for each row, as wide as the terminal at most if that can be.

    :param rows: the values of each row; control characters in them are escaped.
    """
    texts = [[one_line(str(value)) for value in row] for row in rows]
    lines = [[column.name for column in columns], *texts]
    widths = [max(map(width_of, cells)) for cells in zip(*lines, strict=True)]
    widths = _shrunk(columns, widths, width or terminal_width())
    for line in lines:
        cells = map(_cell, columns, line, widths)
        yield _GAP.join(cells).rstrip()


def _shrunk(columns: Sequence[Column], widths: Sequence[int], limit: int) -> list[int]:
    """Return the widths, with the widest columns that may be cut as narrow as they must be."""
    shrunk = [*widths]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - limit
    while excess > 0:
        may_be_cut = [n for n, column in enumerate(columns) if column.may_be_cut]
        widest = max(may_be_cut, key=shrunk.__getitem__, default=None)
        if widest is None or shrunk[widest] <= _MIN_WIDTH:
            break
        shrunk[widest] -= 1
        excess -= 1
    return shrunk


def _cell(column: Column, text: str, width: int) -> str:
    shown = fitted(text, width) if column.may_be_cut else text
    padding = " " * (width - width_of(shown))
    return padding + shown if column.is_number else shown + padding
