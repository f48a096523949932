"""Which requests are sent again, and after which pauses; the commands are carried out by hand."""

from __future__ import annotations

import pickle

import pytest

from flask_crewexec.client import ApiError
from flask_crewexec.client.commands import Answer
from flask_crewexec.client.commands import Failure
from flask_crewexec.client.commands import Pause
from flask_crewexec.client.commands import Request
from flask_crewexec.client.commands import Send
from flask_crewexec.client.errors import refusal
from flask_crewexec.client.pauses import LONGEST
from flask_crewexec.client.pauses import Patience
from flask_crewexec.client.pauses import pause_after
from flask_crewexec.client.requests import document_of
from flask_crewexec.client.requests import MAX_RETRIES
from flask_crewexec.client.requests import send

SAFE = Request("GET", "/executions")
UNSAFE = Request("POST", "/executions/1/retry", is_repeatable=False)
UNREACHABLE = ApiError("No answer.", code="unreachable")


def refused(status: int, code: str = "any", retry_after: float | None = None) -> Failure:
    return Failure(ApiError("No.", code=code, status=status, retry_after=retry_after))


PASSING = [
    Failure(UNREACHABLE),
    refused(503, retry_after=5.0),
    refused(429, "too-many-requests", retry_after=7.0),
    refused(409, "idempotency-key-in-use"),
]
FINAL = [
    Failure(ApiError("Too late.", code="timeout")),
    refused(503),
    refused(503, retry_after=LONGEST + 1),
    refused(500, retry_after=1.0),
    refused(429, "queue-quota-exceeded", retry_after=1.0),
    refused(404, "not-found"),
]


@pytest.mark.parametrize("failure", PASSING, ids=repr)
class TestWhatPasses:
    def test_it_is_sent_again(self, failure):
        commands = send(SAFE)
        assert next(commands) == Send(SAFE)
        pause = commands.send(failure)
        assert isinstance(pause, Pause)
        assert pause.seconds >= (failure.error.retry_after or 0)
        assert commands.send(None) == Send(SAFE)
        with pytest.raises(StopIteration) as end:
            commands.send(Answer({}, b"{}"))
        assert end.value.value == Answer({}, b"{}")

    def test_but_not_for_ever(self, failure):
        commands = send(SAFE)
        next(commands)
        for _ in range(MAX_RETRIES):
            commands.send(failure)
            commands.send(None)
        with pytest.raises(ApiError) as raised:
            commands.send(failure)
        assert raised.value is failure.error

    def test_but_not_if_it_may_have_had_its_effect(self, failure):
        commands = send(UNSAFE)
        next(commands)
        with pytest.raises(ApiError):
            commands.send(failure)


@pytest.mark.parametrize("failure", FINAL, ids=repr)
def test_what_does_not_pass_is_raised_at_once(failure):
    commands = send(SAFE)
    next(commands)
    with pytest.raises(ApiError) as raised:
        commands.send(failure)
    assert raised.value is failure.error


def test_what_has_not_left_is_sent_again_in_any_case():
    commands = send(UNSAFE)
    next(commands)
    assert isinstance(commands.send(Failure(UNREACHABLE, was_sent=False)), Pause)


def test_pauses_double_up_to_a_bound_and_are_random():
    for failures, most in ((1, 0.5), (2, 1.0), (4, 4.0), (50, LONGEST)):
        pauses = {pause_after(failures).seconds for _ in range(20)}
        assert len(pauses) > 1
        assert all(most / 2 <= seconds <= most for seconds in pauses)


class TestPatience:
    def test_it_ends(self):
        with pytest.raises(ApiError):
            Patience(0.0).pause(UNREACHABLE)

    def test_it_begins_again_after_an_answer(self):
        patience = Patience(300.0)
        for _ in range(10):
            patience.pause(UNREACHABLE)
        patience.reset()
        assert patience.pause(UNREACHABLE).seconds <= 0.5

    def test_it_has_none_with_what_does_not_pass(self):
        with pytest.raises(ApiError):
            Patience(300.0).pause(refused(401).error)


class TestAnswers:
    @pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'"text"', b"\xff"])
    def test_one_that_is_no_document_is_an_error(self, body):
        with pytest.raises(ApiError, match="Check the URL") as raised:
            document_of(Answer({}, body))
        assert raised.value.code == "unexpected-response"

    @pytest.mark.parametrize("body", [b"<html>Bad gateway", b"", b"[]", b"{}", b"\xff"])
    def test_a_refusal_of_a_proxy_is_one(self, body):
        error = refusal(502, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, body)
        assert (error.code, error.status, error.retry_after) == ("unexpected-response", 502, None)
        assert error.is_transient

    def test_an_error_survives_the_way_to_another_process(self):
        error = ApiError("No.", code="any", status=404, problems=[], retry_after=1.0)
        copied = pickle.loads(pickle.dumps(error))
        assert vars(copied) == vars(error)
        assert str(copied) == str(error)
