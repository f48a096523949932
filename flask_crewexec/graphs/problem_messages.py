"""Words and pointers for problems."""

from __future__ import annotations

from collections.abc import Iterable

_QUOTED_AT_MOST = 100


def child(pointer: str, token: object) -> str:
    """Return the JSON pointer to the member ``token`` of what ``pointer`` points to."""
    return f"{pointer}/{escape(cut(str(token)))}"


def escape(token: str) -> str:
    """Return ``token`` as a part of a JSON pointer."""
    return token.replace("~", "~0").replace("/", "~1")


def quote(text: str) -> str:
    """Return ``text`` in quotes, cut when a caller sent something endless."""
    return f'"{cut(text)}"'


def cut(text: str, limit: int = _QUOTED_AT_MOST) -> str:
    """Return *text*, or its beginning with a sign that it was cut."""
    return text if len(text) <= limit else text[:limit] + "…"


def listing(names: Iterable[str]) -> str:
    """Return ``names`` for use in a sentence."""
    return ", ".join(quote(name) for name in names) or "none"


def kind_of(value: object) -> str:
    """Return what JSON calls ``value``, with its article."""
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
