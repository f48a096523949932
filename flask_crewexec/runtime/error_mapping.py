"""Exception -> failure reason: what the owner may know, and whether a retry may help."""

from __future__ import annotations

import datetime as dt
import email.utils
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import httpx

from .. import clock
from ..errors import InvalidGraph
from ..errors import InvalidInputs
from ..errors import SecretMissing
from ..errors import SecretProviderUnavailable
from ..errors import ToolServerUnavailable
from ..errors import ToolUnavailable
from ..storage.database_errors import TRANSIENT_ERRORS
from ..storage.failures import FailureReason
from .input_files import InputFileError
from .stop_reasons import StopRun
from .stop_reasons import StorageFailedStop
from .stop_reasons import TruncatedAnswerStop

MAX_RETRY_AFTER: t.Final = 3600.0
"""The longest ``Retry-After`` of a provider that is respected, in seconds."""

_RATE_LIMITED: t.Final = FailureReason(
    "model-rate-limited", "The model's provider has limited the rate of calls.", transient=True
)
_NO_QUOTA: t.Final = FailureReason(
    "model-quota-exhausted", "The account at the model's provider has no quota left."
)
_UNAVAILABLE: t.Final = FailureReason(
    "model-unavailable", "The model's provider reported an error.", transient=True
)
_TIMEOUT: t.Final = FailureReason(
    "model-timeout", "The model did not answer in time.", transient=True
)
_UNREACHABLE: t.Final = FailureReason(
    "model-unreachable", "The model could not be reached.", transient=True
)
_REFUSED_KEY: t.Final = FailureReason(
    "model-refused-key", "The model's provider refused the API key."
)
_NOT_FOUND: t.Final = FailureReason(
    "model-not-found", "The model's provider does not know the model."
)
_REFUSED: t.Final = FailureReason(
    "model-refused-request", "The model's provider refused the request."
)
_STORAGE: t.Final = FailureReason(
    StorageFailedStop.code, "The database could not store the progress of the run.", transient=True
)
_OTHER: t.Final = FailureReason("crew-failed", "The crew ended with an error.")

_BY_STATUS: t.Final = {
    401: _REFUSED_KEY,
    403: _REFUSED_KEY,
    404: _NOT_FOUND,
    408: _TIMEOUT,
    429: _RATE_LIMITED,
}


def to_failure(error: BaseException) -> FailureReason:
    """Return the failure reason of *error*, found in the chain of its causes."""
    for cause in _causes(error):
        if failure := _from_run_error(cause) or _from_model_error(cause):
            return failure
    return _OTHER


class AllModelsFailed(Exception):
    """A model and all of its fallbacks have failed.

    :param failures: of each model, in order; the first one is reported.
    """

    def __init__(self, failures: Sequence[FailureReason]) -> None:
        super().__init__(failures[0].message)
        longest = max(failure.retry_after for failure in failures)
        self.failure = failures[0]._replace(retry_after=longest)


def model_failure(error: BaseException) -> FailureReason | None:
    """Return the failure reason of *error* if a model, or the connection to it, has failed."""
    for cause in _causes(error):
        if _from_run_error(cause):
            return None
        if failure := _from_model_error(cause):
            return failure
    return None


def _from_run_error(cause: BaseException) -> FailureReason | None:
    if isinstance(cause, TRANSIENT_ERRORS):
        return _STORAGE
    if isinstance(cause, StopRun):
        transient = isinstance(cause, StorageFailedStop | TruncatedAnswerStop)
        return FailureReason(cause.code, cause.reason, transient)
    if isinstance(cause, InputFileError):
        return cause.failure
    if isinstance(cause, InvalidGraph | InvalidInputs | SecretMissing | ToolUnavailable):
        return FailureReason(cause.code, cause.detail)
    if isinstance(cause, SecretProviderUnavailable | ToolServerUnavailable):
        return FailureReason(cause.code, cause.detail, transient=True)
    return None


def _from_model_error(cause: BaseException) -> FailureReason | None:
    if isinstance(cause, AllModelsFailed):
        return cause.failure
    status = getattr(cause, "status_code", None)
    if isinstance(status, int):
        return _from_status(cause, status)
    if isinstance(cause, httpx.TimeoutException):
        return _TIMEOUT
    if isinstance(cause, httpx.TransportError):
        return _UNREACHABLE
    return None


def _from_status(cause: BaseException, status: int) -> FailureReason:
    if getattr(cause, "code", None) == "insufficient_quota":
        return _NO_QUOTA
    failure = _BY_STATUS.get(status, _UNAVAILABLE if status >= 500 else _REFUSED)
    headers = getattr(getattr(cause, "response", None), "headers", {})
    return failure._replace(retry_after=_retry_after(headers)) if failure.transient else failure


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds of a ``Retry-After`` header: a number or a date (RFC 9110)."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value)
    return min(seconds, MAX_RETRY_AFTER) if seconds > 0 else 0.0


def _seconds_until(date: str) -> float:
    try:
        moment = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return 0.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return (aware - clock.now()).total_seconds()


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        cause = cause.__cause__ or cause.__context__
