"""What went wrong with a model -> failure reason."""

from __future__ import annotations

import types

import httpx
import openai
import pytest

from flask_crewexec.outbound import AnswerTooLarge
from flask_crewexec.runtime.error_mapping import to_failure
from flask_crewexec.runtime.model_failures import AllModelsFailed
from flask_crewexec.runtime.model_failures import failure_of_answer
from flask_crewexec.runtime.model_failures import failure_of_call
from flask_crewexec.runtime.model_failures import may_fall_back
from flask_crewexec.runtime.openai_protocol.errors import AnswerCutOff
from flask_crewexec.runtime.openai_protocol.errors import MalformedAnswer
from flask_crewexec.runtime.openai_protocol.errors import UpstreamError
from flask_crewexec.storage.failures import FailureReason

CLIENT = openai.OpenAI(api_key="none")
REQUEST = httpx.Request("POST", "http://model.invalid")


def of_sdk(status, message="no", code=None):
    """Return the SDK's error for a response."""
    body = {"error": {"message": message, "code": code}}
    response = httpx.Response(status, json=body, request=REQUEST)
    return CLIENT._make_status_error(message, body=body, response=response)


class GoogleError(Exception):
    code = 429


GoogleError.__module__ = "google.genai.errors"


class BotocoreError(Exception):
    response = types.MappingProxyType({"ResponseMetadata": {"HTTPStatusCode": 503}})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (of_sdk(400), "model-refused-request"),
        (of_sdk(400, code="context_length_exceeded"), "model-context-exceeded"),
        (of_sdk(400, "This model's maximum context length is 9."), "model-context-exceeded"),
        (of_sdk(400, "prompt is too long: 208310 tokens > 200000"), "model-context-exceeded"),
        (of_sdk(400, "The input token count (7) exceeds the maximum"), "model-context-exceeded"),
        (of_sdk(400, code="content_filter"), "model-content-filtered"),
        (of_sdk(400, "Your credit balance is too low."), "model-quota-exhausted"),
        (of_sdk(401), "model-refused-key"),
        (of_sdk(402), "model-quota-exhausted"),
        (of_sdk(403), "model-refused-key"),
        (of_sdk(404), "model-not-found"),
        (of_sdk(408), "model-timeout"),
        (of_sdk(409), "model-unavailable"),
        (of_sdk(413), "model-context-exceeded"),
        (of_sdk(418), "model-refused-request"),
        (of_sdk(422), "model-refused-request"),
        (of_sdk(429), "model-rate-limited"),
        (of_sdk(429, "Too many tokens per minute"), "model-rate-limited"),
        (of_sdk(429, code="insufficient_quota"), "model-quota-exhausted"),
        (of_sdk(500), "model-unavailable"),
        (of_sdk(529), "model-unavailable"),
        (of_sdk(302), "model-malformed-answer"),
        (UpstreamError({"message": "no", "code": 429}), "model-rate-limited"),
        (UpstreamError({"message": "no", "code": "insufficient_quota"}), "model-quota-exhausted"),
        (UpstreamError("no"), "model-unavailable"),
        (MalformedAnswer(), "model-malformed-answer"),
        (AnswerCutOff(), "model-cut-off"),
        (AnswerTooLarge("large"), "model-answer-too-large"),
        (httpx.ReadTimeout(""), "model-timeout"),
        (httpx.ConnectError(""), "model-unreachable"),
        (httpx.RemoteProtocolError(""), "model-unreachable"),
        (httpx.DecodingError(""), "model-malformed-answer"),
        (GoogleError(), "model-rate-limited"),
        (BotocoreError(), "model-unavailable"),
    ],
)
def test_each_has_its_code(error, code):
    assert failure_of_call(error).code == code


@pytest.mark.parametrize("error", [ValueError("maximum context length"), OSError(), KeyError()])
def test_other_exceptions_are_not_about_a_model(error):
    assert failure_of_call(error) is None


def test_the_cause_is_found_in_the_chain():
    error = SystemExit()
    error.__context__ = ValueError()
    error.__context__.__cause__ = of_sdk(503)
    assert to_failure(error).code == "model-unavailable"


@pytest.mark.parametrize(
    ("text", "end", "code"),
    [
        ("x", {"finish_reason": "stop"}, None),
        ("x", {"finish_reason": None}, None),
        ("", {"finish_reason": "stop"}, "model-empty-answer"),
        (" \n", {"finish_reason": None}, "model-empty-answer"),
        ("x", {"finish_reason": "content_filter"}, "model-content-filtered"),
        ("", {"finish_reason": "SAFETY"}, "model-content-filtered"),
        ("", {"finish_reason": "refusal"}, "model-refused-answer"),
        ("x", {"finish_reason": "stop", "refusal": "I cannot."}, "model-refused-answer"),
        ("x", {"finish_reason": "length"}, None),
        ("", {"finish_reason": "length"}, "model-empty-answer"),
        ("x", {"finish_reason": "length", "fail_if_truncated": True}, "model-answer-truncated"),
        ("x", {"finish_reason": "MAX_TOKENS", "fail_if_truncated": True}, "model-answer-truncated"),
    ],
)
def test_answers(text, end, code):
    failure = failure_of_answer(text, **end)
    assert (failure and failure.code) == code


def test_a_refusal_tells_the_reason_but_no_novel():
    failure = failure_of_answer("", finish_reason="stop", refusal=f" I cannot. {'x' * 1000}")
    assert failure.message.startswith("The model refused to answer: I cannot. xx")
    assert len(failure.message) < 400


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (of_sdk(400, code="context_length_exceeded"), True),
        (of_sdk(402), True),
        (of_sdk(429), True),
        (MalformedAnswer(), True),
        (AnswerTooLarge("large"), True),
        (of_sdk(400), False),
        (of_sdk(401), False),
        (of_sdk(404), False),
    ],
)
def test_a_fallback_does_not_hide_mistakes_of_the_host(error, expected):
    failure = failure_of_call(error)
    assert failure is not None
    assert may_fall_back(failure) is expected


LIMITED = FailureReason("model-rate-limited", "slow down", transient=True, retry_after=7)
AWAY = FailureReason("model-unavailable", "away", transient=True, retry_after=9)
TOO_LONG = FailureReason("model-context-exceeded", "too long")


@pytest.mark.parametrize(
    ("failures", "code", "retry_after"),
    [
        ([LIMITED, AWAY], "model-rate-limited", 9),
        ([TOO_LONG, TOO_LONG], "model-context-exceeded", 0),
        ([TOO_LONG, AWAY], "model-unavailable", 9),
    ],
)
def test_all_models_failed(failures, code, retry_after):
    reported = AllModelsFailed(failures).failure
    assert (reported.code, reported.retry_after) == (code, retry_after)


def test_an_error_with_an_odd_response():
    error = of_sdk(429)
    error.response = types.SimpleNamespace(headers=None)
    assert failure_of_call(error).retry_after == 0
