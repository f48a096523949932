"""Exceptions of a run -> what its owner may know: a stable code and a sentence."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import httpx

from ..errors import InvalidGraph
from .guards import RunStopped


class Failure(t.NamedTuple):
    """Why a run failed, without anything that only the operator should see."""

    code: str
    message: str


_BY_STATUS: t.Final = {
    401: Failure("model-refused-key", "The model's provider refused the API key."),
    403: Failure("model-refused-key", "The model's provider refused the API key."),
    404: Failure("model-not-found", "The model's provider does not know the model."),
    429: Failure("model-rate-limited", "The model's provider limits the rate of calls."),
}
_TIMEOUT: t.Final = Failure("model-timeout", "The model did not answer in time.")
_UNREACHABLE: t.Final = Failure("model-unreachable", "The model could not be reached.")
_UNAVAILABLE: t.Final = Failure("model-unavailable", "The model's provider reported an error.")
_REFUSED: t.Final = Failure("model-refused-request", "The model's provider refused the request.")
_INTERRUPTED: t.Final = Failure("worker-stopped", "The worker was stopped during the run.")
_OTHER: t.Final = Failure("crew-failed", "The crew ended with an error.")


def describe(error: BaseException) -> Failure:
    """Return what may be said about *error*, judged by the causes that led to it."""
    for cause in _causes(error):
        if isinstance(cause, RunStopped):
            return Failure("run-stopped", cause.reason)
        if not isinstance(cause, Exception):
            return _INTERRUPTED
        if isinstance(cause, InvalidGraph):
            return Failure(cause.code, cause.detail)
        status = getattr(cause, "status_code", None)
        if isinstance(status, int):
            other = _UNAVAILABLE if status >= 500 else _REFUSED
            return _BY_STATUS.get(status, other)
        if isinstance(cause, httpx.TimeoutException):
            return _TIMEOUT
        if isinstance(cause, httpx.TransportError):
            return _UNREACHABLE
    return _OTHER


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        cause = cause.__cause__ or cause.__context__
