"""Connections to checked addresses, with a deadline."""

from __future__ import annotations

import contextlib
import ssl
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

import httpcore

from .addresses import Guard
from .time_left import time_left


class Backend(httpcore.NetworkBackend):
    """Connects only to checked addresses."""

    def __init__(self, guard: Guard, deadline: float) -> None:
        self._guard = guard
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[t.Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._guard.addresses(host, self._deadline)
        while True:
            address = addresses.pop(0)
            # Divide the time, so that an address that does not answer leaves some for the others.
            share = time_left(self._deadline) / (len(addresses) + 1)
            try:
                stream = self._sockets.connect_tcp(address, port, timeout=share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    time_left(self._deadline)
                    raise
            else:
                return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    """A connection whose operations fail after the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self._bounded(timeout) as seconds:
            return self._stream.read(max_bytes, seconds)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self._bounded(timeout) as seconds:
            self._stream.write(buffer, seconds)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        with self._bounded(timeout) as seconds:
            inner = self._stream.start_tls(ssl_context, server_hostname, seconds)
        return _Stream(inner, self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> t.Any:
        return self._stream.get_extra_info(info)

    @contextlib.contextmanager
    def _bounded(self, timeout: float | None) -> Iterator[float]:
        left = time_left(self._deadline)
        try:
            yield left if timeout is None else min(timeout, left)
        except httpcore.TimeoutException:
            time_left(self._deadline)
            raise
