"""Errors within a response whose HTTP status says that all is well."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...text import truncate

_MAX_MESSAGE_CHARS: t.Final = 2_000
_BAD_GATEWAY: t.Final = 502
_STATUSES: t.Final = {
    "authentication_error": 401,
    "content_filter": 400,
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "not_found_error": 404,
    "overloaded_error": 503,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout": 408,
    "tokens": 429,
}
"""HTTP statuses of the codes and types in error objects, where they are no numbers."""


class MalformedAnswer(Exception):
    """The response is not an answer of a model."""


class AnswerCutOff(Exception):
    """The stream ended before the answer was complete."""


class UpstreamError(Exception):
    """The response describes an error, for instance of a provider behind a gateway.

    It has the attributes of the SDK's errors, so that both are classified in the same way.
    """

    def __init__(self, error: object) -> None:
        self.body = error if isinstance(error, Mapping) else {"message": str(error)}
        super().__init__(truncate(str(self.body.get("message") or error), _MAX_MESSAGE_CHARS))
        code = self.body.get("code")
        self.code = code if isinstance(code, str) else None
        self.status_code = _status_of(self.body)
        self.response: object = None


def _status_of(error: Mapping[str, t.Any]) -> int:
    """Return the HTTP status that an error object stands for; by default, of a bad gateway."""
    for value in (error.get("code"), error.get("status"), error.get("type")):
        status = _STATUSES.get(value.lower(), _number(value)) if isinstance(value, str) else value
        if isinstance(status, int) and 400 <= status <= 599:
            return status
    return _BAD_GATEWAY


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) == len("500") else None
