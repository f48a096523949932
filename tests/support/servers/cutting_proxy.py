"""A proxy that cuts connections where a test wants it."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t
from collections import deque
from urllib.parse import urlsplit


class CuttingProxy:
    """Passes everything on, except for the ends of some answers.

    ``cuts`` holds, for each of the next connections, after how many bytes of answers it is cut;
    with zero, that is when the server begins to answer.
    """

    def __init__(self, upstream: str) -> None:
        self.lead_to(upstream)
        self.cuts: deque[int] = deque()
        self._open: list[socket.socket] = []

    def __enter__(self) -> t.Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            each.close()

    def lead_to(self, upstream: str) -> None:
        """Pass new connections to another server; those that are open stay where they are."""
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname, parts.port)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                self._open += [client, server]
                left = self.cuts.popleft() if self.cuts else None
                for work in ((client, server, None), (server, client, left)):
                    threading.Thread(target=_pass_on, args=work, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, left: int | None) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65_536):
            if left is not None:
                part, left = part[:left], left - len(part)
            target.sendall(part)
            if left is not None and left <= 0:
                break
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
