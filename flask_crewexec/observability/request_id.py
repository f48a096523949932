"""What ties an execution to the request that queued it: ``X-Request-ID``."""

from __future__ import annotations

import re
import typing as t
import uuid

from flask import has_request_context
from flask import request

HEADER: t.Final = "X-Request-ID"
MAX_LENGTH: t.Final = 100

_KEY: t.Final = "crewexec.request_id"
_USABLE: t.Final = re.compile(rf"[\x20-\x7e]{{1,{MAX_LENGTH}}}")
"""Printable ASCII: anything else could forge a line of a log."""


def current_request_id() -> str | None:
    """Return the id of the current request; None outside of one.

    It is the one that came with the request, if it can be used, and else a new one.
    """
    if not has_request_context():
        return None
    kept = request.environ  # not flask.g, which may outlive the request
    if _KEY not in kept:
        kept[_KEY] = _given() or uuid.uuid4().hex
    return t.cast(str, kept[_KEY])


def _given() -> str | None:
    value = request.headers.get(HEADER, "").strip()
    return value if _USABLE.fullmatch(value) else None
