"""The client, and its transport."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
import time
import typing as t
from collections.abc import Iterable
from collections.abc import Mapping

import httpcore
import httpx

from .addresses import check_url
from .addresses import find_addresses
from .addresses import Guard
from .addresses import Resolver
from .body import as_httpx
from .body import Body
from .body import decoder_of
from .connection import Backend
from .redirects import protect_headers

_DEADLINE: t.Final = "crewexec_deadline"


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
    """Return a client for URLs from untrusted sources; use it as a context manager.

    Its methods raise :class:`OutboundError` and the errors of ``httpx``. Proxies and credentials of
    the environment are not used. A redirect to another origin (scheme, host and port) gets none of
    the headers and cookies of the call.

    :param allow: networks that may be reached although they are not public, such as
        ``["10.20.0.0/16"]``.
    :param max_bytes: maximum size of a response's body, before and after decompression.
    :param seconds: time limit of one call, with all its redirects.
    :param max_redirects: number of redirects after which ``httpx.TooManyRedirects`` is raised.
    :param verify: certificates to trust instead of the default ones.
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
    """The transport of :func:`outbound_client`, for clients of your own.

    Create them with ``trust_env=False`` and without proxies. Every request opens a new connection.
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
        self._guard = Guard([ipaddress.ip_network(each) for each in allow], resolve)
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._tls = verify or httpx.create_ssl_context()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; httpx calls this again for each redirect."""
        check_url(request.url)
        protect_headers(request)
        # httpx copies the extensions to the requests of redirects.
        deadline = request.extensions.setdefault(_DEADLINE, time.monotonic() + self._seconds)
        pool = httpcore.ConnectionPool(self._tls, network_backend=Backend(self._guard, deadline))
        with as_httpx(request), contextlib.ExitStack() as stack:
            stack.callback(pool.close)
            response = pool.handle_request(_plain(request))
            headers = httpx.Headers(response.headers)
            decoder = decoder_of(headers)
            body = Body(request, response, decoder, self._max_bytes, stack.pop_all().close)
            return httpx.Response(
                response.status, headers=headers, stream=body, extensions=response.extensions
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
