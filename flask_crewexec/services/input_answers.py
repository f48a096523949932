"""Answers to input requests."""

from __future__ import annotations

import typing as t

from ..app_state import AppState
from ..errors import InputAnswered
from ..errors import InputGone
from ..errors import NotAsked
from ..scheduling.fair_scheduler import release_next
from ..schemas import InputAnswerSchema
from ..schemas import load
from ..statuses import InputStatus
from ..storage import input_requests
from ..storage.execution_queries import Id
from ..storage.input_requests import Ended
from ..storage.input_requests import Found
from ..storage.ownership import Requester
from .answer_checks import check_answer
from .input_requests import dump_request
from .input_requests import find_request

Json = dict[str, t.Any]

_ANSWER: t.Final = InputAnswerSchema()


class Answered(t.NamedTuple):
    """A request that was answered."""

    request: Json
    is_new: bool
    """False if the same user has given the same answer before."""


def answer(
    app_state: AppState, id: Id, requester: Requester, given: Json, by: str | None
) -> Answered:
    """Answer an input request; its execution goes on once nothing else is open.

    :param given: the fields of the answer.
    :param by: who answers, as the request will show it.
    :raises NotFound: if there is none, or not for *requester*.
    :raises NotAsked: if it asks others.
    :raises InvalidRequest: if the answer does not fit the request.
    :raises InputAnswered: if somebody else has answered before, or *by* otherwise.
    :raises InputGone: if it has expired, or its execution has ended.
    """
    loaded = load(_ANSWER, given)
    decision = loaded.pop("decision")
    with app_state.database.read_session() as session:
        found = find_request(session, app_state, id, requester)
        _check(app_state, found, requester, decision, loaded)
    ended = Ended(InputStatus.ANSWERED, decision, loaded or None, by)
    with app_state.database.write_transaction() as session:
        is_new = input_requests.end(session, app_state, found.request, ended)
    if is_new:
        release_next(app_state, found.request.owner_id)
    with app_state.database.read_session() as session:
        now = find_request(session, app_state, id, requester)
        if not is_new:
            _check_same(now, ended)
        return Answered(dump_request(app_state, now, requester), is_new)


def _check(
    app_state: AppState, found: Found, requester: Requester, decision: str, content: Json
) -> None:
    """Check that *requester* may decide so."""
    if not found.may_be_answered_by(requester):
        raise NotAsked("You can see this request, but it asks others.")
    check_answer(app_state, found.request, decision, content)


def _check_same(found: Found, ended: Ended) -> None:
    """Check that an answer that came too late is the same as the first one."""
    request = found.request
    status, by = InputStatus(request.status), request.answered_by
    first = Ended(status, request.decision, request.answer, by)
    if first == ended:
        return
    if request.status == InputStatus.ANSWERED:
        who = f"'{request.answered_by}'" if request.answered_by else "The application"
        raise InputAnswered(f"{who} has answered with '{request.decision}' before.")
    if request.status == InputStatus.WITHDRAWN:
        raise InputGone("The execution has ended, so nothing waits for an answer.")
    raise InputGone("The request has expired.")
