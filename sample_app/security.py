"""Headers of the application's own pages, which need neither scripts nor other sites."""

from __future__ import annotations

import typing as t

from flask import Response

_HEADERS: t.Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def add_headers(response: Response) -> Response:
    """Add the headers to a response."""
    response.headers.update(_HEADERS)
    return response
