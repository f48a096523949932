"""Escape control characters in texts of users and models.

A terminal interprets control characters: they could clear the screen, rename the window or change
the direction of a line so that it reads differently.
"""

from __future__ import annotations

import re
import typing as t

from ..text import is_invisible

_CONTROL: t.Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, except tabs and line breaks
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # changes of direction
    r"\u2028\u2029\ud800-\udfff]"  # other line breaks; lone surrogates
)


def escape(text: str) -> str:
    """Return *text* with all control characters escaped, except line breaks and tabs."""
    return _CONTROL.sub(_escaped, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return *text* escaped, on one line."""
    return escape(" ".join(text.split()))


def exact(text: str) -> str:
    """Return *text* escaped, with all characters that nobody would see: people decide about it."""
    shown = escape(text)
    if shown.isascii():
        return shown
    return "".join(_as_escape(each) if is_invisible(each) else each for each in shown)


def _escaped(match: re.Match[str]) -> str:
    return _as_escape(match.group())


def _as_escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
