"""Requests to addresses that users or models have given, kept out of the host's own networks.

::

    from flask_crewexec.outbound import outbound_client

    with outbound_client() as client:
        text = client.get(url).text

A name is resolved once for each request, every address that it has is checked, and the connection
goes to one of those: a DNS server that answers something else a moment later changes nothing. Each
redirect is a request of its own. The name stays in ``Host`` and is what TLS verifies.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
import typing as t
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

import httpcore
import httpx

from .errors import CrewExecError

__all__ = [
    "AddressRefused",
    "AnswerTooLarge",
    "AnswerTooSlow",
    "EncodingRefused",
    "GuardedTransport",
    "OutboundError",
    "is_public",
    "outbound_client",
]

Resolver = Callable[[str], Iterable[str]]
"""From a name to all its addresses; raises OSError if it has none."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEADLINE: t.Final = "crewexec_deadline"
_PIECE: t.Final = 65_536
_UNICAST: t.Final = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is handed out; mapped and local addresses are outside of it."""
_NEVER: t.Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's own services, seen from inside of it
            "192.0.0.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "2001::/23",  # Teredo and the like
            "2002::/16",  # 6to4: with an IPv4 address inside, as NAT64 has
            "3fff::/20",
        ),
    )
)
"""What Python takes for global, or did in an earlier version."""


class OutboundError(CrewExecError):
    """A request to the outside was stopped by its guard."""

    code = "outbound-refused"
    status = 502
    title = "The address cannot be used"


class AddressRefused(OutboundError):
    """The URL leads to where nobody from outside may send the host."""

    code = "address-refused"
    status = 422


class EncodingRefused(OutboundError):
    """The answer is compressed in a way whose size cannot be bounded."""

    code = "encoding-refused"


class AnswerTooLarge(OutboundError):
    """The answer is longer than allowed, perhaps only once it is decompressed."""

    code = "answer-too-large"


class AnswerTooSlow(OutboundError):
    """The answer did not arrive in time."""

    code = "answer-too-slow"
    status = 504


def find_addresses(name: str) -> list[str]:
    """Return all addresses of *name*, as the system knows them."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def outbound_client(
    *,
    allow: Iterable[str] = (),
    max_bytes: int = 5_000_000,
    seconds: float = 30.0,
    max_redirects: int = 5,
    headers: Mapping[str, str] | None = None,
    verify: ssl.SSLContext | None = None,
    resolve: Resolver = find_addresses,
) -> httpx.Client:
    """Return a client for addresses that somebody else has chosen; use it as a context manager.

    Besides :class:`OutboundError` its methods raise what ``httpx`` raises. Proxies and passwords
    of the environment are not used.

    :param allow: networks that may be reached although they are not public, such as
        ``["10.20.0.0/16"]``.
    :param max_bytes: of an answer's body, also once it is decompressed.
    :param seconds: for one call with all its redirects.
    :param max_redirects: after which ``httpx.TooManyRedirects`` is raised.
    :param verify: certificates to trust instead of the usual ones.
    """
    transport = GuardedTransport(
        allow=allow, max_bytes=max_bytes, seconds=seconds, verify=verify, resolve=resolve
    )
    return httpx.Client(
        transport=transport,
        headers={"Accept-Encoding": "gzip, deflate", **(headers or {})},
        follow_redirects=True,
        max_redirects=max_redirects,
        timeout=seconds,
        trust_env=False,
    )


class GuardedTransport(httpx.BaseTransport):
    """The guard itself, for clients of your own; give them ``trust_env=False`` and no proxies.

    Every request has a connection of its own.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        max_bytes: int = 5_000_000,
        seconds: float = 30.0,
        verify: ssl.SSLContext | None = None,
        resolve: Resolver = find_addresses,
    ) -> None:
        self._guard = _Guard([ipaddress.ip_network(each) for each in allow], resolve)
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._tls = verify or httpx.create_ssl_context()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; httpx calls this again for each redirect."""
        _check_url(request.url)
        # httpx hands the extensions on to the requests that redirects make.
        ends = request.extensions.setdefault(_DEADLINE, time.monotonic() + self._seconds)
        pool = httpcore.ConnectionPool(self._tls, network_backend=_Backend(self._guard, ends))
        with _as_httpx(request), contextlib.ExitStack() as stack:
            stack.callback(pool.close)
            answer = pool.handle_request(_plain(request))
            headers = httpx.Headers(answer.headers)
            decoder = _decoder(headers)
            body = _Body(request, answer, decoder, self._max_bytes, stack.pop_all().close)
            return httpx.Response(
                answer.status, headers=headers, stream=body, extensions=answer.extensions
            )


def _plain(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=t.cast(httpx.SyncByteStream, request.stream),
        extensions=request.extensions,
    )


def _check_url(url: httpx.URL) -> None:
    if url.scheme not in ("http", "https"):
        raise AddressRefused(f"'{url.scheme}' is no scheme to fetch from. Use http or https.")
    if url.userinfo:
        raise AddressRefused("The URL holds a user or a password. Leave them out.")
    if not url.host:
        raise AddressRefused("The URL names no host. Write 'https://' and a name.")


class _Guard:
    def __init__(self, allow: list[_Network], resolve: Resolver) -> None:
        self._allow = allow
        self._resolve = resolve

    def addresses(self, host: str, ends: float) -> list[str]:
        """Return all addresses of *host* in the order of preference.

        :raises AddressRefused: if one of them is not public, and not allowed.
        """
        found = [ipaddress.ip_address(each) for each in _in_time(self._resolve, host, ends)]
        if not found:
            raise httpcore.ConnectError(f"'{host}' has no address.")
        if not all(map(self._may_reach, found)):
            raise AddressRefused(f"'{host}' is not on the public internet. Use a public address.")
        return [str(each) for each in dict.fromkeys(found)]

    def _may_reach(self, address: _Address) -> bool:
        return is_public(address) or any(address in network for network in self._allow)


def is_public(address: _Address) -> bool:
    """Return whether *address* belongs to one machine of the public internet."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if any(address in network for network in _NEVER):
        return False
    return address.version == 4 or address in _UNICAST


def _in_time(resolve: Resolver, host: str, ends: float) -> list[str]:
    """Resolve a name in a thread of its own, since no system call takes a time-out for it."""
    found: list[str] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            found.extend(resolve(host))
        except Exception as error:  # noqa: BLE001  # raised below
            failed.append(error)

    thread = threading.Thread(target=work, name="crewexec-resolve", daemon=True)
    thread.start()
    thread.join(_left(ends))
    if thread.is_alive():
        raise _too_slow()
    if failed and isinstance(failed[0], OSError | UnicodeError):
        raise httpcore.ConnectError(f"'{host}' has no address.") from failed[0]
    if failed:
        raise failed[0]
    return found


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise _too_slow()
    return left


def _too_slow() -> AnswerTooSlow:
    return AnswerTooSlow("The answer did not arrive in time.")


class _Backend(httpcore.NetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, guard: _Guard, ends: float) -> None:
        self._guard = guard
        self._ends = ends
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[t.Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._guard.addresses(host, self._ends)
        while True:
            address = addresses.pop(0)
            # A share for each, so that one that does not answer leaves time for the others.
            share = _left(self._ends) / (len(addresses) + 1)
            try:
                stream = self._sockets.connect_tcp(address, port, timeout=share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    _left(self._ends)
                    raise
            else:
                return _Stream(stream, self._ends)


class _Stream(httpcore.NetworkStream):
    """A connection that ends with its time."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float) -> None:
        self._stream = stream
        self._ends = ends

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
        return _Stream(inner, self._ends)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> t.Any:
        return self._stream.get_extra_info(info)

    @contextlib.contextmanager
    def _bounded(self, timeout: float | None) -> Iterator[float]:
        left = _left(self._ends)
        try:
            yield left if timeout is None else min(timeout, left)
        except httpcore.TimeoutException:
            _left(self._ends)
            raise


def _decoder(headers: httpx.Headers) -> t.Any:
    """Return what decompresses the body piece by piece, and hide from httpx that it is needed."""
    encoding = headers.pop("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise EncodingRefused(f"The answer is encoded as '{encoding}', not as gzip or deflate.")
    headers.pop("Content-Length", None)
    return zlib.decompressobj(wbits=47)  # gzip or zlib, as the first bytes say


class _Body(httpx.SyncByteStream):
    def __init__(
        self,
        request: httpx.Request,
        answer: httpcore.Response,
        decoder: t.Any,
        max_bytes: int,
        close: Callable[[], object],
    ) -> None:
        self._request = request
        self._parts = t.cast("Iterable[bytes]", answer.stream)
        self._decoder = decoder
        self._max_bytes = max_bytes
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx(self._request):
            yield from _bounded(self._pieces(), self._max_bytes)

    def _pieces(self) -> Iterator[bytes]:
        # What comes compressed is bounded, too: an archive may hold nothing for megabytes.
        for part in _bounded(self._parts, self._max_bytes):
            yield from [part] if self._decoder is None else _decompressed(self._decoder, part)
        if self._decoder is not None:
            yield self._decoder.flush()

    def close(self) -> None:
        self._close()


def _bounded(parts: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise AnswerTooLarge(f"The answer has more than {most} bytes.")
        yield part


def _decompressed(decoder: t.Any, part: bytes) -> Iterator[bytes]:
    while part:
        yield decoder.decompress(part, _PIECE)
        part = decoder.unconsumed_tail


@contextlib.contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """Raise httpcore's errors as those of the same name that httpx has."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raised = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise raised(str(error), request=request) from error
    except zlib.error as error:
        raise httpx.DecodingError(str(error), request=request) from error
