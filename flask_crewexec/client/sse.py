"""Reads Server-Sent Events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

Json = dict[str, t.Any]


class Parser:
    """Puts the messages of one stream together, wherever it was divided."""

    def __init__(self) -> None:
        self._rest = b""
        self._type = ""
        self._data: list[bytes] = []

    def feed(self, part: bytes) -> Iterator[Json]:
        """Yield the messages that are complete: their data, with their ``type``."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            name, _, value = line.removesuffix(b"\r").partition(b":")
            value = value.removeprefix(b" ")
            if name == b"event":
                self._type = value.decode()
            elif name == b"data":
                self._data.append(value)
            elif not name and not value and self._data:
                yield self._message()

    def _message(self) -> Json:
        message = {**json.loads(b"\n".join(self._data)), "type": self._type}
        self._type, self._data = "", []
        return message
