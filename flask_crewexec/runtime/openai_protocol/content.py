"""The text of a message."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping


def read_text(content: object) -> str:
    """Return the text of a message's content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_text_of_part, t.cast("list[object]", content)))
    return ""


def _text_of_part(part: object) -> str:
    if not isinstance(part, Mapping):
        return read_text(part) if isinstance(part, str) else ""
    text = part.get("text")
    return read_text(text.get("value") if isinstance(text, Mapping) else text)
