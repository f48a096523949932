"""The API's address, and what passes between commands and httpx, for both clients."""

from __future__ import annotations

import json
import typing as t
import uuid
from collections.abc import Mapping

import httpx

from .commands import Answer
from .commands import Failure
from .commands import Request
from .errors import ApiError
from .errors import refusal
from .errors import TIMEOUT
from .errors import UNREACHABLE

_NOT_SENT: t.Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Endpoint:
    """Where requests go, and how long they may take.

    :raises ValueError: if the address is not one of HTTP.
    """

    def __init__(self, url: str, timeout: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"Pass the address of the API with its scheme, not {url!r}.")
        self._url = url.rstrip("/")
        self._timeout = timeout

    def build(
        self,
        http: httpx.Client | httpx.AsyncClient,
        request: Request,
        headers: Mapping[str, str],
        silence: float | None = None,
    ) -> httpx.Request:
        """Return a request; with *silence*, one for a stream."""
        media = "application/json" if silence is None else "text/event-stream"
        own = {"Accept": media, **request.headers}
        if request.body is not None:
            own["Content-Type"] = "application/json"
        return http.build_request(
            request.method,
            self._url + request.path,
            params=_query(request.query),
            content=None if request.body is None else json.dumps(request.body, default=_plain),
            headers={**own, **headers},
            timeout=httpx.Timeout(self._timeout, read=silence or self._timeout + request.wait),
        )


def outcome_of(response: httpx.Response) -> Answer | Failure:
    """Return the outcome of a request; the body of the response must have been read."""
    if response.is_success:
        return Answer(response.headers, response.content)
    return Failure(refusal(response.status_code, response.headers, response.content))


def failure_of(error: httpx.RequestError) -> Failure:
    """Return the outcome of a request that was not answered."""
    if isinstance(error, httpx.TimeoutException):
        unanswered = ApiError("The server did not answer in time.", code=TIMEOUT)
    else:
        unanswered = ApiError("The server could not be reached.", code=UNREACHABLE)
    unanswered.__cause__ = error
    return Failure(unanswered, was_sent=not isinstance(error, _NOT_SENT))


def _query(given: Mapping[str, object]) -> dict[str, str]:
    return {name: _text(value) for name, value in given.items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: object) -> str:
    """Return what JSON has no type for."""
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON.")
