"""Protection against cross-site request forgery by ``Sec-Fetch-Site`` and ``Origin``."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from flask import abort
from flask import request

_SAFE: t.Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_SITE: t.Final = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of our own pages, and of addresses that the user entered."""
_SENT_BY_BROWSERS: t.Final = frozenset({"", "basic", "digest", "negotiate", "ntlm"})
"""Schemes of ``Authorization`` that browsers remember, and send for pages of any site."""


def reject_cross_site() -> None:
    """Reject a request that could change something and comes from a page of another site.

    Register it with ``before_request``. Clients other than browsers send none of the headers that
    are checked, and pass: other sites cannot make them send requests. So do requests with a token:
    a page of another site can only send one that it has, and only where the host allows it (CORS).

    :raises werkzeug.exceptions.Forbidden: if a page of another site made the request.
    """
    if request.method not in _SAFE and not _has_token() and _is_cross_site():
        abort(403, "A page of another site made this request. Use the buttons on our own pages.")


def reject_csrf() -> None:
    """Reject what :func:`reject_cross_site` does, if a page of another site can send it at all.

    Browsers send JSON to another site only if that site allows it (CORS), which the host decides.

    :raises werkzeug.exceptions.Forbidden: if a page of another site made the request.
    """
    if not request.is_json:
        reject_cross_site()


def _has_token() -> bool:
    """Return whether ``Authorization`` has what only a script can have set, such as a token."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return scheme.lower() not in _SENT_BY_BROWSERS


def _is_cross_site() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in _SAME_SITE
    page = request.headers.get("Origin") or request.headers.get("Referer")
    return page is not None and _host_of(page) != request.host.lower()


def _host_of(url: str) -> str | None:
    """Return the host and port of *url*; None if it has none, such as ``null``."""
    try:
        return urlsplit(url).netloc.lower() or None
    except ValueError:
        return None
