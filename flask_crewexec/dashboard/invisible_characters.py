"""Show characters that nobody would see, or that change the order of others, as marks.

A text could say one thing to people and another to the model that wrote it, or to the tool that
receives it. So each such character becomes ``⟨U+202E⟩``, with its name as a tooltip.
"""

from __future__ import annotations

import re
import typing as t
import unicodedata

from markupsafe import escape
from markupsafe import Markup

from ..text import BLANKS
from ..text import is_invisible

_SUSPECTS: t.Final = re.compile(rf"[{BLANKS}]|[^\n\t -~\u00a1-\u00ac\u00ae-\u02ff]")
_EMOJI_STYLE: t.Final = "\ufe0f"
"""Draws the symbol before it in colour, which hides nothing."""


def visible(text: str) -> Markup:
    """Return *text* as HTML, with a mark in place of each character that cannot be seen.

    Those are control and format characters, which include zero-width and bidirectional ones, soft
    hyphens and tags; blank fillers; variation selectors; and what Unicode has not assigned. Line
    breaks, tabs and spaces stay.
    """
    return mark_invisible(escape(text))


def mark_invisible(html: Markup) -> Markup:
    """Return HTML, whose attributes contain nothing foreign, with such marks."""
    return Markup(_SUSPECTS.sub(_mark_if_invisible, html))


def _mark_if_invisible(match: re.Match[str]) -> str:
    character = match[0]
    if not is_invisible(character) or _is_emoji_style(match):
        return character
    name = unicodedata.name(character, "unnamed character").lower()
    return f'<mark class="invisible" title="{name}">⟨U+{ord(character):04X}⟩</mark>'


def _is_emoji_style(match: re.Match[str]) -> bool:
    before = match.string[match.start() - 1 : match.start()]
    return match[0] == _EMOJI_STYLE and before != "" and unicodedata.category(before) == "So"
