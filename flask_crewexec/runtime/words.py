"""What a streaming model says, word by word, for those who watch; nobody keeps it."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable

PAUSE_SECONDS: t.Final = 0.05
"""Between two messages: words come faster than anybody reads."""


class Words:
    """Collects words and sends a few at a time.

    :param send: takes a message.
    :param redact: removes secrets from a text.
    """

    def __init__(
        self, send: Callable[[dict[str, t.Any]], None], redact: Callable[[str], str]
    ) -> None:
        self._send = send
        self._redact = redact
        self._text = ""
        self._sent_at = 0.0

    def add(self, text: str, **source: object) -> None:
        """Take the next words, and what is to be told of their *source*."""
        self._text += text
        if time.monotonic() >= self._sent_at + PAUSE_SECONDS:
            self.flush(**source)

    def flush(self, **source: object) -> None:
        """Send what waits."""
        if self._text:
            self._send({**source, "text": self._redact(self._text)})
            self._text = ""
            self._sent_at = time.monotonic()
