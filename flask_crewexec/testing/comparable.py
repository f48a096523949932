"""Messages in a form in which they are the same each time that a crew runs.

What differs without a meaning is left out or replaced: ids, the order of keys, and times of day.
"""

from __future__ import annotations

import difflib
import json
import re
import typing as t
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from .requests import content_text
from .requests import Json

Normalize: t.TypeAlias = Callable[[str], str]

SECRET: t.Final = "[secret]"
"""What the call log contains instead of a secret; it stands for any text."""
_CONTEXT_LINES: t.Final = 2
_MAX_LINES: t.Final = 60
_MAX_LINE: t.Final = 300
_VOLATILE: t.Final = (
    (re.compile(r"(?m)^Current Date: .*$"), "Current Date: <today>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (
        re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),
        "<time>",
    ),
)
"""Today's date, which CrewAI writes for ``inject_date``; UUIDs; dates with a time of day."""


def lines_of(messages: Sequence[Json], normalize: Normalize | None = None) -> list[str]:
    """Return messages as comparable lines of text."""
    return [line for message in messages for line in _lines(message, normalize)]


def _lines(message: Json, normalize: Normalize | None) -> Iterator[str]:
    yield f"--- {message.get('role')}"
    yield from _stable(_sorted_json(content_text(message)), normalize).splitlines()
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        arguments = _stable(_sorted_json(function.get("arguments") or ""), normalize)
        yield f"calls {function.get('name')}({arguments})"


def _sorted_json(text: t.Any) -> str:
    """Return a text; if it is an object or a list in JSON, with its keys in order."""
    if not isinstance(text, str):
        return json.dumps(text, sort_keys=True)
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def _stable(text: str, normalize: Normalize | None) -> str:
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return normalize(text) if normalize else text


class Recorded:
    """The comparable lines of a recorded request."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self._pattern = _pattern(lines) if any(SECRET in line for line in lines) else None

    def matches(self, lines: Sequence[str]) -> bool:
        """Return whether a request is the same."""
        if self._pattern is None:
            return self.lines == lines
        return self._pattern.fullmatch("\n".join(lines)) is not None

    def similarity(self, lines: Sequence[str]) -> float:
        """Return how similar a request is, from 0 to 1."""
        return difflib.SequenceMatcher(None, self.lines, lines, autojunk=False).ratio()

    def difference(self, lines: Sequence[str]) -> str:
        """Return what differs, as a unified diff with the recorded lines as ``-``."""
        diff = difflib.unified_diff(
            self.lines, lines, "recorded", "this call", lineterm="", n=_CONTEXT_LINES
        )
        return "\n".join(_shortened(diff))


def _pattern(lines: Iterable[str]) -> re.Pattern[str]:
    escaped = map(re.escape, "\n".join(lines).split(SECRET))
    return re.compile(".+?".join(escaped))


def _shortened(lines: Iterable[str]) -> Iterator[str]:
    for count, line in enumerate(lines):
        if count == _MAX_LINES:
            yield "…"
            return
        yield line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…"
