"""What a model, or the connection to it, did wrong -> failure reason."""

from __future__ import annotations

import re
import typing as t
import zlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import httpx

from ..outbound import AnswerTooLarge
from ..outbound import EncodingRefused
from ..storage.failures import FailureReason
from .crewai_shims.public_api import ContextLengthExceeded
from .openai_protocol.errors import AnswerCutOff
from .openai_protocol.errors import MalformedAnswer
from .retry_after import read_retry_after

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
_REFUSED_REQUEST: t.Final = FailureReason(
    "model-refused-request", "The model's provider refused the request."
)
_CONTEXT_EXCEEDED: t.Final = FailureReason(
    "model-context-exceeded", "The prompt is longer than the model can read."
)
_CUT_OFF: t.Final = FailureReason(
    "model-cut-off", "The model's answer was cut off.", transient=True
)
_MALFORMED: t.Final = FailureReason(
    "model-malformed-answer",
    "The response of the model's provider is not an answer.",
    transient=True,
)
_TOO_LARGE: t.Final = FailureReason(
    "model-answer-too-large", "The model's answer is larger than 'CREWEXEC_MAX_ANSWER_BYTES'."
)
_EMPTY: t.Final = FailureReason(
    "model-empty-answer", "The model's answer was empty.", transient=True
)
_TRUNCATED: t.Final = FailureReason(
    "model-answer-truncated", "The model's answer was longer than its maximum length."
)
_FILTERED: t.Final = FailureReason(
    "model-content-filtered", "A content filter of the model's provider stopped the answer."
)

_BY_STATUS: t.Final = {
    401: _REFUSED_KEY,
    402: _NO_QUOTA,
    403: _REFUSED_KEY,
    404: _NOT_FOUND,
    408: _TIMEOUT,
    409: _UNAVAILABLE,
    413: _CONTEXT_EXCEEDED,
    425: _UNAVAILABLE,
    429: _RATE_LIMITED,
}
_BY_CODE: t.Final = {
    "billing_hard_limit_reached": _NO_QUOTA,
    "content_filter": _FILTERED,
    "content_policy_violation": _FILTERED,
    "context_length_exceeded": _CONTEXT_EXCEEDED,
    "insufficient_quota": _NO_QUOTA,
}
_BY_CLASS: t.Final[Sequence[tuple[type[BaseException], FailureReason]]] = (
    (ContextLengthExceeded, _CONTEXT_EXCEEDED),
    (AnswerTooLarge, _TOO_LARGE),
    (EncodingRefused, _MALFORMED),
    (AnswerCutOff, _CUT_OFF),
    (MalformedAnswer, _MALFORMED),
    (httpx.TimeoutException, _TIMEOUT),
    (httpx.DecodingError, _MALFORMED),
    (zlib.error, _MALFORMED),
    (httpx.TooManyRedirects, _UNAVAILABLE),
    (httpx.TransportError, _UNREACHABLE),
)
_ANOTHER_MODEL_MAY_ANSWER: t.Final = {
    failure.code for failure in (_CONTEXT_EXCEEDED, _FILTERED, _NO_QUOTA, _TOO_LARGE, _TRUNCATED)
} | {"model-refused-answer"}

_CONTEXT_MESSAGE: t.Final = re.compile(
    r"context.{0,20}(length|window|size)|(prompt|input) is too long|too many (input )?tokens"
    r"|reduce the length|(input|prompt).{0,40}tokens?.{0,40}exceed|exceeds.{0,40}token",
    re.IGNORECASE | re.DOTALL,
)
_QUOTA_MESSAGE: t.Final = re.compile(
    r"credit balance|insufficient (credit|balance|fund)", re.IGNORECASE
)
_LENGTH_REASONS: t.Final = {"length", "max_tokens", "max_output_tokens", "model_length"}
_FILTER_REASONS: t.Final = {
    "content_filter",
    "safety",
    "prohibited_content",
    "guardrail_intervened",
}
_MAX_REASON: t.Final = 300


class ModelAnswerError(Exception):
    """A model has answered, but its answer cannot be used."""

    def __init__(self, failure: FailureReason) -> None:
        super().__init__(failure.message)
        self.failure = failure


class AllModelsFailed(ModelAnswerError):
    """A model and all of its fallbacks have failed.

    The first failure is reported, unless only a later one may pass.

    :param failures: of each model, in order.
    """

    def __init__(self, failures: Sequence[FailureReason]) -> None:
        reported = next((each for each in failures if each.transient), failures[0])
        longest = max(failure.retry_after for failure in failures)
        super().__init__(reported._replace(retry_after=longest))


def may_fall_back(failure: FailureReason) -> bool:
    """Return whether another model may answer where one has failed.

    A wrong key or name is a mistake of the host, which a fallback would hide.
    """
    return failure.transient or failure.code in _ANOTHER_MODEL_MAY_ANSWER


def is_length_limit(finish_reason: str | None) -> bool:
    """Return whether an answer ended because it had its maximum length."""
    return (finish_reason or "").lower() in _LENGTH_REASONS


def failure_of_answer(
    text: str, *, finish_reason: str | None, refusal: str = "", fail_if_truncated: bool = False
) -> FailureReason | None:
    """Return why an answer without tool calls cannot be used; None if it can."""
    if (finish_reason or "").lower() in _FILTER_REASONS:
        return _FILTERED
    if refusal.strip() or (finish_reason == "refusal" and not text.strip()):
        return refused_answer(refusal)
    if fail_if_truncated and is_length_limit(finish_reason):
        return _TRUNCATED
    return None if text.strip() else _EMPTY


def refused_answer(reason: str) -> FailureReason:
    """Return the failure of a model that refuses to answer for a *reason*, in its own words."""
    shown = f": {reason.strip()[:_MAX_REASON]}" if reason.strip() else "."
    return FailureReason("model-refused-answer", f"The model refused to answer{shown}")


def failure_of_call(cause: BaseException) -> FailureReason | None:
    """Return the failure reason of an exception of a call; None if it is not about a model."""
    if isinstance(cause, ModelAnswerError):
        return cause.failure
    for kind, failure in _BY_CLASS:
        if isinstance(cause, kind):
            return failure
    status = status_of(cause)
    return None if status is None else _failure_of_status(cause, status)


def status_of(cause: BaseException) -> int | None:
    """Return the HTTP status of an SDK's exception.

    Those of Google's have it as ``code``, and those of botocore in ``response``.
    """
    response = getattr(cause, "response", None)
    metadata = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    candidates = [getattr(cause, "status_code", None), (metadata or {}).get("HTTPStatusCode")]
    if type(cause).__module__.startswith("google."):
        candidates.append(getattr(cause, "code", None))
    return next((status for status in candidates if isinstance(status, int)), None)


def _failure_of_status(cause: BaseException, status: int) -> FailureReason:
    if status < 400:  # the SDK could not read the answer
        return _MALFORMED
    failure = _specific_failure(cause, status) or _BY_STATUS.get(
        status, _UNAVAILABLE if status >= 500 else _REFUSED_REQUEST
    )
    return failure._replace(retry_after=read_retry_after(cause)) if failure.transient else failure


def _specific_failure(cause: BaseException, status: int) -> FailureReason | None:
    """Return the failure that a code or a message names, where the status says less."""
    for code in _codes(cause):
        if failure := _BY_CODE.get(code):
            return failure
    message = str(cause)
    if status in (400, 422) and _CONTEXT_MESSAGE.search(message):
        return _CONTEXT_EXCEEDED
    return _NO_QUOTA if status < 500 and _QUOTA_MESSAGE.search(message) else None


def _codes(cause: BaseException) -> Iterator[str]:
    body = getattr(cause, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    described = inner if isinstance(inner, Mapping) else {}
    for value in (getattr(cause, "code", None), described.get("code"), described.get("type")):
        if isinstance(value, str):
            yield value.lower()
