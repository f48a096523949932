"""The operations of the clients: what they send, and what they make of the answers."""

from __future__ import annotations

import math
import time
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from urllib.parse import quote

from . import documents as d
from .commands import Answer
from .commands import Commands
from .commands import Failure
from .commands import Item
from .commands import Request
from .commands import Send
from .commands import Stream
from .errors import retry_after
from .pauses import Patience
from .pauses import pause_after
from .requests import document_of
from .requests import fetch
from .requests import Json

Id: t.TypeAlias = str | uuid.UUID

MAX_WAIT: t.Final = 30
"""Seconds for which a server lets a request wait."""
SECONDS_OF_PATIENCE: t.Final = 300.0
"""How long operations that wait go on while the server is unavailable."""
PAGE: t.Final = 100
"""Items that are read at once."""
_NOT_MOVING: t.Final = frozenset({"completed", "failed", "cancelled", "timed_out", "waiting_input"})


def queue(
    *,
    idempotency_key: str | None = None,
    wait: int = 0,
    **submission: t.Unpack[d.QueueRequest],
) -> Commands[d.WholeExecution]:
    """Queue an execution of a graph.

    Without an answer the submission is sent again with the same key, so that it is queued once.

    :param idempotency_key: names the submission, also in other processes; random by default.
    :param wait: seconds to wait for the end, at most 30.
    :raises ApiError: if it is refused, or was not answered.
    """
    headers = {**_idempotency(idempotency_key), **_prefer(wait)}
    return fetch(Request("POST", "/executions", body=submission, headers=headers, wait=wait))


def get(execution_id: Id, *, wait: int = 0) -> Commands[d.WholeExecution]:
    """Return an execution with its steps and result.

    :param wait: seconds to wait for the end, at most 30.
    :raises ApiError: if there is none, or not for the user; or without an answer.
    """
    return fetch(Request("GET", _execution(execution_id), headers=_prefer(wait), wait=wait))


def wait(execution_id: Id, *, timeout: float | None = None) -> Commands[d.WholeExecution]:
    """Return the execution once it has ended or waits for people.

    It goes on for up to five minutes while the server is unavailable.

    :param timeout: seconds, after which it is returned as it is; without end by default.
    :raises ApiError: if there is none, or not for the user; or while the server is unavailable.
    """
    end = math.inf if timeout is None else time.monotonic() + timeout
    patience = Patience(SECONDS_OF_PATIENCE)
    while True:
        asked = time.monotonic()
        seconds = max(0, min(MAX_WAIT, math.ceil(min(end - asked, MAX_WAIT))))
        outcome: Answer | Failure = yield Send(
            Request("GET", _execution(execution_id), headers=_prefer(seconds), wait=seconds)
        )
        if isinstance(outcome, Failure):
            yield patience.pause(outcome.error)
            continue
        status: d.WholeExecution = document_of(outcome)
        if status["status"] in _NOT_MOVING or time.monotonic() >= end:
            return status
        patience.reset()
        if time.monotonic() - asked < seconds / 2:  # the server is busy, or about to stop
            yield pause_after(1, retry_after(outcome.headers))


def list_executions(**query: t.Unpack[d.ExecutionQuery]) -> Stream[d.Execution]:
    """Yield executions, newest first; pages are read as they are needed.

    ``limit`` is the number of executions that are yielded at most; all by default.

    :raises ApiError: if the query is refused, or without an answer.
    """
    return _pages("/executions", "executions", "before", query)


def step(execution_id: Id, position: int) -> Commands[d.Step]:
    """Return a step with its whole output.

    :param position: from 0, in the order of execution.
    :raises ApiError: if there is none, or not for the user; or without an answer.
    """
    return fetch(Request("GET", f"{_execution(execution_id)}/steps/{position}"))


def result(execution_id: Id) -> Commands[d.Result]:
    """Return the whole result of an execution that has completed.

    :raises ApiError: if there is none, or not for the user; or without an answer.
    """
    return fetch(Request("GET", f"{_execution(execution_id)}/result"))


def calls(execution_id: Id, **query: t.Unpack[d.CallQuery]) -> Stream[d.Call]:
    """Yield the model calls, tool calls and checks of an execution, in their order.

    ``limit`` is the number of calls that are yielded at most; all by default.

    :raises ApiError: if there is no such execution, or not for the user; or without an answer.
    """
    return _pages(f"{_execution(execution_id)}/calls", "calls", "after", query)


def call(execution_id: Id, number: int) -> Commands[d.WholeCall]:
    """Return a call with everything that a model was asked.

    :raises ApiError: if there is none, or not for the user; or without an answer.
    """
    return fetch(Request("GET", f"{_execution(execution_id)}/calls/{number}"))


def cancel(execution_id: Id, *, reason: str | None = None) -> Commands[d.WholeExecution]:
    """Cancel an execution: at once, or before its next model or tool call.

    :param reason: what the owner will see.
    :raises ApiError: if it has ended otherwise, or there is none; or without an answer.
    """
    path = f"{_execution(execution_id)}/cancel"
    return fetch(Request("POST", path, body={"reason": reason}))


def retry(execution_id: Id, **limits: t.Unpack[d.Limits]) -> Commands[d.WholeExecution]:
    """Retry an ended execution after its completed steps, with the given limits.

    It is not sent again without an answer: look at the execution, which may have been queued.

    :raises ApiError: if it cannot be retried; or without an answer.
    """
    path = f"{_execution(execution_id)}/retry"
    return fetch(Request("POST", path, body=limits, is_repeatable=False))


def cancel_several(
    execution_ids: Iterable[Id], *, reason: str | None = None
) -> Commands[list[d.Outcome]]:
    """Cancel executions, at most 100, each by itself.

    :param reason: what the owners will see.
    :return: what came of each, in their order; ``error`` is None if it is cancelled, or will be.
    :raises ApiError: if the request is refused as a whole; or without an answer.
    """
    body = {"ids": [str(id) for id in execution_ids], "reason": reason}
    answered = yield from fetch(Request("POST", "/executions/cancel", body=body))
    outcomes: list[d.Outcome] = answered["executions"]
    return outcomes


def retry_several(
    execution_ids: Iterable[Id], **limits: t.Unpack[d.Limits]
) -> Commands[list[d.Outcome]]:
    """Retry executions, at most 100, each by itself and with the given limits.

    It is not sent again without an answer: look at the executions, which may have been queued.

    :return: what came of each, in their order; ``error`` is None if it is queued.
    :raises ApiError: if the request is refused as a whole; or without an answer.
    """
    body = {"ids": [str(id) for id in execution_ids], **limits}
    request = Request("POST", "/executions/retry", body=body, is_repeatable=False)
    answered = yield from fetch(request)
    outcomes: list[d.Outcome] = answered["executions"]
    return outcomes


def fork(
    execution_id: Id,
    *,
    idempotency_key: str | None = None,
    **changes: t.Unpack[d.ForkRequest],
) -> Commands[d.Forked]:
    """Queue a new execution that takes over the steps of this one that the changes do not reach.

    Without an answer the request is sent again with the same key, so that it is queued once.

    :param idempotency_key: names the submission, also in other processes; random by default.
    :raises ApiError: if it is refused, or was not answered.
    """
    path, headers = f"{_execution(execution_id)}/fork", _idempotency(idempotency_key)
    return fetch(Request("POST", path, body=changes, headers=headers))


def compare(execution_id: Id, other_id: Id) -> Commands[d.Comparison]:
    """Return how another execution differs from this one.

    :raises ApiError: if there is none, or not for the user; or without an answer.
    """
    return fetch(Request("GET", f"{_execution(execution_id)}/compare/{_quoted(other_id)}"))


def input_requests(**query: t.Unpack[d.InputRequestQuery]) -> Stream[d.InputRequest]:
    """Yield what executions ask people, as far as the user may see it, newest first.

    ``limit`` is the number of requests that are yielded at most; all by default.

    :raises ApiError: if the query is refused, or without an answer.
    """
    return _pages("/input-requests", "input_requests", "before", query)


def input_request(request_id: Id) -> Commands[d.InputRequest]:
    """Return an input request.

    :raises ApiError: if there is none, or not for the user; or without an answer.
    """
    return fetch(Request("GET", f"/input-requests/{_quoted(request_id)}"))


def answer(request_id: Id, **content: t.Unpack[d.InputAnswer]) -> Commands[d.InputRequest]:
    """Answer an input request.

    :raises ApiError: if it was answered otherwise, or the answer is refused; or without an answer.
    """
    path = f"/input-requests/{_quoted(request_id)}/answer"
    return fetch(Request("POST", path, body=content))


def answer_all(
    execution_id: Id, answers: Iterable[d.InputAnswerItem]
) -> Commands[list[d.InputRequest]]:
    """Answer several input requests of an execution, all or none of them.

    :return: the requests, in the order of the answers.
    :raises ApiError: if an answer is refused; or without an answer.
    """
    path = f"{_execution(execution_id)}/answers"
    answered = yield from fetch(Request("POST", path, body={"answers": [*answers]}))
    requests: list[d.InputRequest] = answered["input_requests"]
    return requests


def pause_queue(*, reason: str | None = None) -> Commands[d.PauseChange]:
    """Let no further execution start, until it is resumed; for managers.

    :param reason: what other managers will see.
    :raises ApiError: if the user is no manager; or without an answer.
    """
    return fetch(Request("POST", "/queues/pause", body={"reason": reason}))


def resume_queue() -> Commands[d.PauseChange]:
    """Start executions again, after a pause; for managers.

    :raises ApiError: if the user is no manager; or without an answer.
    """
    return fetch(Request("POST", "/queues/resume"))


def workers() -> Commands[list[d.Worker]]:
    """Return the workers that have not signed off, with what they run; for managers.

    :raises ApiError: if the user is no manager; or without an answer.
    """
    answer = yield from fetch(Request("GET", "/workers"))
    found: list[d.Worker] = answer["workers"]
    return found


def drain_worker(worker_id: Id, *, then: t.Literal["idle", "stop"] = "idle") -> Commands[d.Worker]:
    """Let a worker finish what it runs and take nothing new; for managers.

    :param worker_id: names one start of the worker.
    :param then: what it does afterwards; ``"idle"`` until it is resumed.
    :raises ApiError: if there is none, or the user is no manager; or without an answer.
    """
    return fetch(Request("POST", f"/workers/{_quoted(worker_id)}/drain", body={"then": then}))


def resume_worker(worker_id: Id) -> Commands[d.Worker]:
    """Let a worker that is drained take tasks again; for managers.

    :raises ApiError: if there is none, or the user is no manager; or without an answer.
    """
    return fetch(Request("POST", f"/workers/{_quoted(worker_id)}/resume"))


def _pages(path: str, member: str, cursor: str, query: Mapping[str, t.Any]) -> Stream[t.Any]:
    """Yield the items of all pages, or as many as ``limit`` says."""
    following = {**query}
    left: float = following.pop("limit", math.inf)
    while left > 0:
        size = min(left, PAGE)
        page: Json = yield from fetch(Request("GET", path, {**following, "limit": size}))
        for item in page[member]:
            yield Item(item)
        left -= len(page[member])
        following[cursor] = page["next"]
        if not page[member] or page["next"] is None:
            return


def _execution(id: Id) -> str:
    return f"/executions/{_quoted(id)}"


def _quoted(id: Id) -> str:
    return quote(str(id), safe="")


def _idempotency(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex if key is None else key}


def _prefer(wait: int) -> dict[str, str]:
    return {"Prefer": f"wait={wait}"} if wait else {}
