"""The difference between two texts, for people: by lines, and by words within changed lines."""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Sequence

_MAX_LINES: t.Final = 1_000
"""Time grows with the square."""
_MAX_WORDS: t.Final = 4_000
"""Of all changed lines. Beyond these, it would take long, and show nothing readable."""
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
    words_left = _MAX_WORDS
    for change in _changes(*lines):
        changes = [change]
        if change.tag == "replace" and words_left > 0:
            old, new = (_WORDS.findall("".join(part)) for part in (change.old, change.new))
            words_left -= len(old) + len(new)
            changes = [*_changes(old, new)] if words_left >= 0 else changes
        for each in changes:
            pieces += _pieces(each)
    return _joined(pieces)


class _Change(t.NamedTuple):
    tag: str
    """``equal``, ``replace``, ``delete`` or ``insert``."""
    old: Sequence[str]
    new: Sequence[str]


def _changes(before: Sequence[str], after: Sequence[str]) -> Iterator[_Change]:
    matcher = difflib.SequenceMatcher(None, before, after)
    for tag, i, j, k, m in matcher.get_opcodes():
        yield _Change(tag, before[i:j], after[k:m])


def _pieces(change: _Change) -> Iterator[Piece]:
    if change.tag == "equal":
        yield Piece("same", "".join(change.new))
        return
    for kind, part in (("removed", change.old), ("added", change.new)):
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
