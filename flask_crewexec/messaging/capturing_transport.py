"""A kombu transport that sends nothing and keeps the message that would be sent."""

from __future__ import annotations

import typing as t

from kombu.transport import virtual


class CapturingChannel(virtual.Channel):  # type: ignore[misc]  # kombu ships no types
    """Keeps the last message in the form in which transports store it."""

    last_message: t.Any = None

    def _put(self, queue: str, message: t.Any, **options: object) -> None:
        self.last_message = message

    def _size(self, queue: str) -> int:
        return 0


class CapturingTransport(virtual.Transport):  # type: ignore[misc]
    """A transport of capturing channels."""

    Channel = CapturingChannel
