"""Which page made a request: forms of other sites must not act in a user's name."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from flask import abort
from flask import request

_SAFE: t.Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS: t.Final = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of our own pages, and of what the user typed or opened from a bookmark."""


def reject_cross_site() -> None:
    """Refuse a request that would change something and comes from a page of another site.

    To be registered with ``before_request``. Programs that are no browsers send none of the
    headers that are looked at, and pass: nobody can make them act in a user's name.

    :raises werkzeug.exceptions.Forbidden: if another site's page made the request.
    """
    if request.method not in _SAFE and _is_cross_site():
        abort(403, "This request was made by a page of another site. Use the buttons here.")


def reject_csrf() -> None:
    """Refuse what :func:`refuse_cross_site` does, if a page of another site can send it at all.

    Browsers send JSON, or a header such as ``Authorization``, to another site only after that
    site has agreed (CORS), which is for the host to decide.

    :raises werkzeug.exceptions.Forbidden: if another site's page made the request.
    """
    if not request.is_json and "Authorization" not in request.headers:
        reject_cross_site()


def _is_cross_site() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in _OURS
    page = request.headers.get("Origin") or request.headers.get("Referer")
    return page is not None and _host_of(page) != request.host.lower()


def _host_of(url: str) -> str | None:
    """Return host and port of *url*; None for what has none, such as ``null``."""
    try:
        return urlsplit(url).netloc.lower() or None
    except ValueError:
        return None
