"""A result as its page shows it: JSON as a tree, Markdown rendered, and always as plain text."""

from __future__ import annotations

import json
import typing as t

from markupsafe import Markup

from .formatting import is_cut
from .formatting import shown
from .markdown import render_markdown


class ResultView(t.NamedTuple):
    """A result, or the beginning of a long one."""

    text: str
    rendered: Markup | None
    """The text as Markdown; None for JSON."""
    tree: dict[str, t.Any] | list[t.Any] | None
    """What the text is as JSON; None if it is neither an object nor a list."""
    is_cut: bool


def view_result(text: str | None) -> ResultView | None:
    """Return a result as it is shown; None if there is none."""
    if text is None:
        return None
    tree, beginning = None if is_cut(text) else _parse(text), shown(text)
    rendered = None if tree is not None else render_markdown(beginning)
    return ResultView(beginning, rendered, tree, is_cut(text))


def _parse(text: str) -> dict[str, t.Any] | list[t.Any] | None:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if value and _depth_of(value) <= _MAX_DEPTH else None


_MAX_DEPTH: t.Final = 20
"""Trees that are deeper are shown as text."""


def _depth_of(value: object, depth: int = 0) -> int:
    if depth > _MAX_DEPTH or not isinstance(value, dict | list):
        return depth
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth_of(each, depth + 1) for each in inner), default=depth + 1)
