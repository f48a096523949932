"""Sending requests, again where that is safe, and reading their answers."""

from __future__ import annotations

import json
import typing as t

from .commands import Answer
from .commands import Commands
from .commands import Failure
from .commands import Request
from .commands import Send
from .errors import ApiError
from .errors import UNEXPECTED
from .errors import UNREACHABLE
from .pauses import LONGEST
from .pauses import pause_after

Json = dict[str, t.Any]

MAX_RETRIES: t.Final = 3
_UNAVAILABLE: t.Final = 503
_TOO_FAST: t.Final = "too-many-requests"
_STILL_QUEUEING: t.Final = "idempotency-key-in-use"


def send(request: Request) -> Commands[Answer]:
    """Send a request, again if it did not arrive or the server asks to come back soon.

    :raises ApiError: if it was refused or not answered.
    """
    failures = 0
    while True:
        outcome: Answer | Failure = yield Send(request)
        if isinstance(outcome, Answer):
            return outcome
        failures += 1
        if failures > MAX_RETRIES or not _may_repeat(request, outcome):
            raise outcome.error
        yield pause_after(failures, outcome.error.retry_after)


def _may_repeat(request: Request, failure: Failure) -> bool:
    error = failure.error
    if failure.was_sent and not request.is_repeatable:
        return False
    if error.code in (UNREACHABLE, _STILL_QUEUEING):
        return True
    is_passing = error.status == _UNAVAILABLE or error.code == _TOO_FAST
    return is_passing and error.retry_after is not None and error.retry_after <= LONGEST


def fetch(request: Request) -> Commands[t.Any]:
    """Send a request and return the document of the answer.

    :raises ApiError: if it was refused or not answered, or the answer is no document of the API.
    """
    answer = yield from send(request)
    return document_of(answer)


def document_of(answer: Answer) -> t.Any:
    """Return the document of an answer.

    :raises ApiError: if it is none, such as a page for signing in.
    """
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ApiError("The answer is no document of the API. Check the URL.", code=UNEXPECTED)
    return document
