"""Texts and JSON pointers of problems."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from collections.abc import Iterable

_MAX_QUOTED_CHARS = 100


def child(pointer: str, token: object) -> str:
    """Return the JSON pointer to the member ``token`` of the value at ``pointer``."""
    return f"{pointer}/{escape(cut(str(token)))}"


def escape(token: str) -> str:
    """Return ``token`` as part of a JSON pointer."""
    return token.replace("~", "~0").replace("/", "~1")


def quote(text: str) -> str:
    """Return ``text`` in quotes, truncated if it is long."""
    return f'"{cut(text)}"'


def cut(text: str, limit: int = _MAX_QUOTED_CHARS) -> str:
    """Return *text*, truncated to *limit* characters and an ellipsis."""
    return text if len(text) <= limit else text[:limit] + "…"


def listing(names: Iterable[str]) -> str:
    """Return ``names`` as a list in a sentence."""
    return ", ".join(quote(name) for name in names) or "none"


def suggestion(wrong: str, known: Collection[str]) -> str:
    """Return the question whether the most similar of the *known* names was meant, if any."""
    close = difflib.get_close_matches(wrong[:100], known, 1)
    return f"Did you mean {quote(close[0])}? " if close else ""


def kind_of(value: object) -> str:
    """Return the JSON type of ``value``, with an article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "a number"
        case float():
            return "a decimal number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a Python {type(value).__name__}"
