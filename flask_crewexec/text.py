"""Text that databases store and people read."""

from __future__ import annotations


def replace_surrogates(text: str) -> str:
    """Return *text* without halves of characters, which no database stores."""
    return text.encode(errors="replace").decode()


def truncate(text: str, limit: int) -> str:
    """Return *text*, cut to *limit* characters with a sign that it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
