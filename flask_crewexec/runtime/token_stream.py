"""What a streaming model says, word by word, for those who watch; nobody keeps it."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable

from ..observability.redaction import Redactor

PAUSE_SECONDS: t.Final = 0.05
"""Between two messages: words come faster than anybody reads."""


class TokenStream:
    """Collects words and sends a few at a time.

    What may be the beginning of a secret waits for what follows.

    :param send: takes a message.
    """

    def __init__(self, send: Callable[[dict[str, t.Any]], None], redact: Redactor) -> None:
        self._send = send
        self._redact = redact
        self._text = ""
        self._sent_at = 0.0

    def feed(self, text: str, **source: object) -> None:
        """Take the next words, and what is to be told of their *source*."""
        self._text = self._redact(self._text + text)
        if time.monotonic() >= self._sent_at + PAUSE_SECONDS:
            self._send_first(
                len(self._text) - self._redact.partial_match_length(self._text), source
            )

    def flush(self, **source: object) -> None:
        """Send what waits."""
        self._send_first(len(self._text), source)

    def _send_first(self, count: int, source: dict[str, object]) -> None:
        ready, self._text = self._text[:count], self._text[count:]
        if ready:
            self._send({**source, "text": ready})
            self._sent_at = time.monotonic()
