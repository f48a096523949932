"""The HTTP connections of one run to its models: bounded in size and time, and to be aborted."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import ssl
import threading
import time
import typing as t
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

import httpcore  # noqa: F401  # else each process imports it with its first call
import httpx

from ..errors import WorkerMisconfigured
from ..outbound.body import bounded_body
from ..outbound.body import decoder_of

MAX_ERROR_BYTES: t.Final = 16_384
"""How much is read of a response whose status is an error."""

_TRUST_VARIABLES: t.Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXY_VARIABLES: t.Final = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


class ModelConnections(contextlib.AbstractContextManager["ModelConnections"]):
    """The HTTP connections of one run to its models, closed at its end.

    :param max_bytes: maximum size of an answer, before and after decompression.
    :param before_send: called once a request can be sent; it raises the reason not to.
    :raises WorkerMisconfigured: if no connection can be made in this environment.
    """

    def __init__(self, max_bytes: int, before_send: Callable[[], None] | None = None) -> None:
        self._before_send = before_send
        self._sockets: list[socket.socket] = []
        self._calls = Deadlines()
        self.aborted = False
        """Whether calls fail because they were aborted, and not because of the model."""
        trusted = ssl_context()
        with _named_environment(_PROXY_VARIABLES):
            self.client = BoundedClient(
                self._calls,
                max_bytes,
                verify=trusted,
                event_hooks={"request": [self._trace]},
            )

    def __exit__(self, *args: object) -> None:
        self.client.close()

    def abort(self) -> None:
        """Abort pending calls, from another thread."""
        self.aborted = True
        self._shut_sockets()

    def abort_overdue(self) -> None:
        """Abort the calls of the run if one of them has taken too long, from another thread.

        A server that sends one byte of its headers after the other is not noticed otherwise.
        """
        if self._calls.any_passed():
            self._shut_sockets()

    def _shut_sockets(self) -> None:
        for connection in tuple(self._sockets):
            with contextlib.suppress(OSError):  # it is closed already
                # Not SSLSocket.shutdown: after it, the other thread could send plain text.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _trace(self, request: httpx.Request) -> None:
        # https://www.python-httpx.org/advanced/extensions/#trace
        request.extensions["trace"] = self._on_event

    def _on_event(self, event: str, info: dict[str, t.Any]) -> None:
        if event.endswith(".send_request_headers.started") and self._before_send is not None:
            self._before_send()
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._sockets.append(info["return_value"].get_extra_info("socket"))


class Deadlines:
    """When the calls that run now have to be over, in the time of the monotonic clock."""

    def __init__(self) -> None:
        self._running: dict[object, float] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def running(self, deadline: float) -> Iterator[None]:
        """Note a call that runs within the context."""
        call = object()
        with self._lock:
            self._running[call] = deadline
        try:
            yield
        finally:
            with self._lock:
                del self._running[call]

    def any_passed(self) -> bool:
        """Return whether a running call should be over."""
        with self._lock:
            return any(deadline < time.monotonic() for deadline in self._running.values())


class BoundedClient(httpx.Client):
    """A client whose responses are bounded in size and time.

    The timeout of a request is that of the whole call, and not only of the silence within it.
    """

    def __init__(self, calls: Deadlines, max_bytes: int, **options: t.Any) -> None:
        # Not the other encodings that httpx knows: the size of what they decode cannot be bounded.
        super().__init__(headers={"Accept-Encoding": "gzip, deflate"}, **options)
        self._calls = calls
        self._max_bytes = max_bytes

    def send(
        self, request: httpx.Request, *, stream: bool = False, **options: t.Any
    ) -> httpx.Response:
        """Send a request.

        :raises AnswerTooLarge: if the response is too large; for a stream, when it is read.
        :raises httpx.ReadTimeout: if it takes too long.
        """
        seconds = request.extensions.get("timeout", {}).get("read")
        deadline = time.monotonic() + seconds if seconds else float("inf")
        with self._in_time(request, deadline):
            response = super().send(request, stream=True, **options)
            response.stream = self._bound(response, deadline)
            if not stream:
                response.read()
        return response

    def _bound(self, response: httpx.Response, deadline: float) -> BoundedStream:
        received = t.cast(httpx.SyncByteStream, response.stream)
        decoder = decoder_of(response.headers)
        parts = self._timed(response.request, received, deadline)
        if response.is_error:
            # No more of an explanation is read or logged; whatever its size, the status counts.
            body = _first_bytes(bounded_body(parts, decoder, self._max_bytes), MAX_ERROR_BYTES)
        else:
            body = bounded_body(parts, decoder, self._max_bytes)
        return BoundedStream(body, received)

    def _timed(
        self, request: httpx.Request, parts: Iterable[bytes], deadline: float
    ) -> Iterator[bytes]:
        with self._in_time(request, deadline):
            for part in parts:
                _check_time(request, deadline)
                yield part

    @contextlib.contextmanager
    def _in_time(self, request: httpx.Request, deadline: float) -> Iterator[None]:
        with self._calls.running(deadline):
            try:
                yield
            except httpx.TransportError:  # its connection was shut
                _check_time(request, deadline)
                raise


class BoundedStream(httpx.SyncByteStream):
    """The decompressed body of a response."""

    def __init__(self, parts: Iterable[bytes], received: httpx.SyncByteStream) -> None:
        self._parts = parts
        self._received = received

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts

    def close(self) -> None:
        self._received.close()


def _first_bytes(parts: Iterable[bytes], count: int) -> Iterator[bytes]:
    for part in parts:
        yield part[:count]
        count -= len(part)
        if count <= 0:
            return


def _check_time(request: httpx.Request, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise httpx.ReadTimeout("The call took too long.", request=request)


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """Return the TLS context of this process: reading the certificates takes 25 ms.

    :raises WorkerMisconfigured: if the certificates cannot be read.
    """
    with _named_environment(_TRUST_VARIABLES):
        return httpx.create_ssl_context()


@contextlib.contextmanager
def _named_environment(variables: Iterable[str]) -> Iterator[None]:
    """Name the environment variables that an error is about; their values may hold passwords."""
    try:
        yield
    except Exception as error:
        names = [name for name in variables if os.environ.get(name) or os.environ.get(name.lower())]
        quoted = ", ".join(f"'{name}'" for name in names or variables)
        raise WorkerMisconfigured(
            f"The worker cannot connect to models with its environment: check {quoted}."
        ) from error
