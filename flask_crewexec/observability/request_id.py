"""The id of a request (``X-Request-ID``), which is stored in the executions that it submits."""

from __future__ import annotations

import re
import typing as t

from flask import has_request_context
from flask import request

from ..ids import unique_id

HEADER: t.Final = "X-Request-ID"
MAX_LENGTH: t.Final = 100

_KEY: t.Final = "crewexec.request_id"
_ACCEPTABLE: t.Final = re.compile(rf"[\x20-\x7e]{{1,{MAX_LENGTH}}}")
"""Printable ASCII only, since other characters could forge a line of a log."""


def current_request_id() -> str | None:
    """Return the id of the current request, or None outside of a request.

    It is the value of the header if that is acceptable, and a new id otherwise.
    """
    if not has_request_context():
        return None
    environ = request.environ  # not flask.g, which may outlive the request
    if _KEY not in environ:
        environ[_KEY] = _from_header() or unique_id().hex
    return t.cast(str, environ[_KEY])


def _from_header() -> str | None:
    value = request.headers.get(HEADER, "").strip()
    return value if _ACCEPTABLE.fullmatch(value) else None
