"""Redirects to another origin, which must not receive what the caller sends to the first one."""

from __future__ import annotations

import typing as t

import httpx

_ORIGIN: t.Final = "crewexec_origin"
_OF_BODY: t.Final = ("Content-Type", "Content-Length", "Transfer-Encoding")
_DEFAULTS: t.Final = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"python-httpx/{httpx.__version__}",
}


def protect_headers(request: httpx.Request) -> None:
    """Remove the caller's headers and cookies if a redirect has left the first origin.

    They stay away if it leads back: another server has chosen that URL. httpx itself removes only
    ``Authorization``.
    """
    url = request.url
    # httpx copies the extensions to the requests of redirects.
    first = request.extensions.setdefault(_ORIGIN, _origin(url))
    if first == _origin(url):
        return
    request.extensions[_ORIGIN] = None
    of_body = {name: request.headers[name] for name in _OF_BODY if name in request.headers}
    request.headers = httpx.Headers({"Host": url.netloc.decode("ascii"), **_DEFAULTS, **of_body})


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port  # httpx leaves out the scheme's own port
