"""A server that completes connections only when a test lets it."""

from __future__ import annotations

import socket
import typing as t

import psutil


class ClosedDoor:
    """Connecting to its port takes until the door is opened."""

    def __enter__(self) -> t.Self:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        # Linux lets one connection wait for such a server, and ignores the attempts of others.
        self._listener.listen(0)
        self._listener.settimeout(30)
        self.port = self._listener.getsockname()[1]
        self._first = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._first.close()
        self._listener.close()

    def has_caller(self, process: psutil.Process) -> bool:
        """Return whether *process* tries to connect."""
        return any(
            each.status == psutil.CONN_SYN_SENT and each.raddr.port == self.port
            for each in process.net_connections("tcp")
        )

    def open(self) -> socket.socket:
        """Let the caller in, even if it is frozen, and return the connection to it."""
        waiting, _ = self._listener.accept()
        waiting.close()
        connection, _ = self._listener.accept()
        connection.settimeout(30)
        return connection
