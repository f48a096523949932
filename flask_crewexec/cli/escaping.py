"""Text of users and models, made harmless for a terminal.

A terminal obeys control characters: they could clear the screen, rename the window or turn a line
around so that it reads differently. They are shown as escapes instead.
"""

from __future__ import annotations

import re
import typing as t

_OBEYED: t.Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tabs and line breaks
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # those that change the direction
    r"\u2028\u2029\ud800-\udfff]"  # other line breaks; halves of characters
)


def harmless(text: str) -> str:
    """Return *text* with line breaks and tabs as they are, and no other control characters."""
    return _OBEYED.sub(_escaped, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return *text* for a place that has one line only."""
    return harmless(" ".join(text.split()))


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
