"""What is stored of requests and answers: without secrets, and bounded."""

from __future__ import annotations

import math
import typing as t

from ...observability.redaction import Redactor
from ...text import storable

MAX_SHOWN: t.Final = 2_000
"""How much is kept of each text of contents that are too large."""
_MAX_NESTING: t.Final = 100
_LEFT_OUT: t.Final = "…"
_NUMBERS: t.Final = (bool, int, float)
_WORDS: t.Final = frozenset(
    {
        *("system", "user", "assistant", "tool", "function", "text", "stop", "tool_calls"),
        *("start", "messages", "role", "content", "tool_call_id", "id", "type", "name"),
        *("arguments", "value", "finish_reason"),
    }
)
"""Words of the protocol, which need not be searched for secrets."""


class Content(t.NamedTuple):
    """A value of JSON, as it is stored."""

    value: t.Any
    size: int
    """Characters of its texts."""
    altered: bool
    """Whether something was replaced."""
    cut: bool = False
    """Whether something was left out."""


class ContentLimits:
    """How much contents of one execution may be stored.

    :param per_call: maximum number of characters of a call.
    :param left: number of characters that all further calls may have.
    """

    def __init__(self, redact: Redactor, per_call: int, left: int) -> None:
        self._redact = redact
        self._per_call = per_call
        self._left = left

    def store(self, value: t.Any) -> Content:
        """Return what is stored of a *value*."""
        content = _clean(value, self._redact)
        if content.size > min(self._per_call, self._left):
            content = _clean(_shorten(content.value), self._redact)._replace(cut=True)
        if content.size > self._left:
            return Content(None, 0, content.altered, True)
        self._left -= content.size
        return content


def _clean(value: t.Any, redact: Redactor) -> Content:
    walk = _Walk(redact)
    cleaned = walk.clean(value, _MAX_NESTING)
    return Content(cleaned, walk.size, walk.altered)


class _Walk:
    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self.size = 0
        self.altered = False

    def clean(self, value: t.Any, nesting: int) -> t.Any:
        if isinstance(value, str):
            return self._text(value)
        if value is None or (isinstance(value, _NUMBERS) and math.isfinite(value)):
            self.size += len(repr(value))
            return value
        if nesting and isinstance(value, dict):
            return {self._text(str(key)): self.clean(v, nesting - 1) for key, v in value.items()}
        if nesting and isinstance(value, list | tuple):
            return [self.clean(each, nesting - 1) for each in value]
        self.altered = True
        return _LEFT_OUT

    def _text(self, text: str) -> str:
        if text in _WORDS:
            self.size += len(text)
            return text
        kept = self._redact(storable(text))
        self.size += len(kept)
        self.altered = self.altered or kept != text
        return kept


def _shorten(value: t.Any) -> t.Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_SHOWN else value[:MAX_SHOWN] + _LEFT_OUT
    if isinstance(value, dict):
        return {key: _shorten(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shorten(each) for each in value]
    return value
