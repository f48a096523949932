"""Clean and shorten text before it is stored or shown."""

from __future__ import annotations


def replace_surrogates(text: str) -> str:
    """Return *text* with lone surrogates replaced, which databases refuse to store."""
    return text.encode(errors="replace").decode()


def truncate(text: str, limit: int) -> str:
    """Return *text*, cut to *limit* characters; an ellipsis marks the cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
