"""The difference between two texts, for people: by lines, and by words within changed lines."""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Sequence

_MAX_LINES: t.Final = 4_000
_MAX_WORDS: t.Final = 2_000
"""Beyond these, it would take too long, and show nothing that anybody could read."""
_WORDS: t.Final = re.compile(r"\s+|\w+|[^\w\s]")


class Piece(t.NamedTuple):
    """A part of both texts, or of one."""

    kind: str
    """``same``, ``added`` or ``removed``."""
    text: str


def compare(before: str, after: str) -> list[Piece] | None:
    """Return the pieces of two texts in order; None if they are too long to be compared."""
    lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(map(len, lines)) > _MAX_LINES:
        return None
    pieces: list[Piece] = []
    for tag, old, new in _changes(*lines):
        if tag == "replace":
            pieces += _by_words("".join(old), "".join(new))
        else:
            pieces += _pieces(old, new, is_same=tag == "equal")
    return _joined(pieces)


def _by_words(before: str, after: str) -> Iterator[Piece]:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > _MAX_WORDS:
        yield from _pieces([before], [after], is_same=False)
        return
    for tag, removed, added in _changes(old, new):
        yield from _pieces(removed, added, is_same=tag == "equal")


def _changes(
    before: Sequence[str], after: Sequence[str]
) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    matcher = difflib.SequenceMatcher(None, before, after)
    for tag, i, j, k, m in matcher.get_opcodes():
        yield tag, before[i:j], after[k:m]


def _pieces(old: Sequence[str], new: Sequence[str], *, is_same: bool) -> Iterator[Piece]:
    if is_same:
        yield Piece("same", "".join(new))
        return
    for kind, part in (("removed", old), ("added", new)):
        if part:
            yield Piece(kind, "".join(part))


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Return *pieces* with neighbours of one kind as one."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and joined[-1].kind == piece.kind:
            piece = Piece(piece.kind, joined.pop().text + piece.text)
        joined.append(piece)
    return joined
