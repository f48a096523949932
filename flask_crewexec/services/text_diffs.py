"""Line by line differences of texts, within bounds: they may be long, and their authors anybody."""

from __future__ import annotations

import difflib
import time
import typing as t

MAX_LINES: t.Final = 2_000
"""Longer texts are not compared line by line."""
MAX_CHARS: t.Final = 20_000
"""Where a difference is cut off, at the end of a line."""
MAX_SECONDS: t.Final = 2.0
"""After this time, no further texts are compared line by line. One pair takes half a second."""


class TextDifference(t.NamedTuple):
    """How two texts differ."""

    same: bool | None
    """None if a text was not read."""
    diff: str | None
    """In the unified format, without names; None if they are the same or it was left out."""
    truncated: bool = False
    omitted: bool = False
    """Whether there is no ``diff`` because the texts are too long, or were not read."""


NOT_READ: t.Final = TextDifference(None, None, omitted=True)


class TextComparer:
    """Compares the texts of one request."""

    def __init__(self) -> None:
        self._deadline = time.monotonic() + MAX_SECONDS

    def compare(self, old: str | None, new: str | None) -> TextDifference:
        """Return how *new* differs from *old*; a missing text is like an empty one in the diff."""
        if old == new:
            return TextDifference(same=True, diff=None)
        before, after = (old or "").splitlines(), (new or "").splitlines()
        if max(len(before), len(after)) > MAX_LINES or time.monotonic() > self._deadline:
            return TextDifference(same=False, diff=None, omitted=True)
        lines = difflib.unified_diff(before, after, lineterm="", n=2)
        return _bounded([*lines][2:])  # the first two would be names


def _bounded(lines: list[str]) -> TextDifference:
    length, kept = 0, 0
    for line in lines:
        length += len(line) + 1
        if length > MAX_CHARS:
            break
        kept += 1
    diff = "\n".join(lines[:kept])
    return TextDifference(same=False, diff=diff, truncated=kept < len(lines))
