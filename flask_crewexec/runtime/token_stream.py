"""Token streaming: publishes the tokens of a streaming model, throttled; they are not stored."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable

from ..observability.redaction import Redactor

MIN_INTERVAL: t.Final = 0.05
"""Seconds between two messages."""


class TokenStream:
    """Collects tokens and sends several at a time.

    Text that may be the start of a secret is held back until more text follows.

    :param send: publishes a message.
    """

    def __init__(self, send: Callable[[dict[str, t.Any]], None], redact: Redactor) -> None:
        self._send = send
        self._redact = redact
        self._text = ""
        self._sent_at = 0.0

    def feed(self, text: str, **source: object) -> None:
        """Add text; *source* describes its origin in the message."""
        self._text = self._redact(self._text + text)
        if time.monotonic() >= self._sent_at + MIN_INTERVAL:
            self._send_first(
                len(self._text) - self._redact.partial_match_length(self._text), source
            )

    def flush(self, **source: object) -> None:
        """Send the remaining text."""
        self._send_first(len(self._text), source)

    def _send_first(self, count: int, source: dict[str, object]) -> None:
        ready, self._text = self._text[:count], self._text[count:]
        if ready:
            self._send({**source, "text": ready})
            self._sent_at = time.monotonic()
