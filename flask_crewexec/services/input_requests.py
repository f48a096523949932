"""Input requests, as people see and answer them."""

from __future__ import annotations

import json
import typing as t

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import InputAnswered
from ..errors import InputGone
from ..errors import InvalidRequest
from ..errors import NotAsked
from ..errors import NotFound
from ..errors import Problem
from ..graphs import find_mismatch
from ..ids import parse_uuid
from ..models import InputRequestMixin
from ..scheduling.fair_scheduler import release_next
from ..schemas import InputAnswerSchema
from ..schemas import InputRequestQuerySchema
from ..schemas import InputRequestSchema
from ..schemas import load
from ..statuses import Decision
from ..statuses import InputStatus
from ..storage import input_requests
from ..storage.execution_queries import Id
from ..storage.input_requests import Ended
from ..storage.input_requests import Found
from ..storage.input_requests import Page
from ..storage.ownership import Requester
from .call_pages import sees_content

Json = dict[str, t.Any]

_REQUEST: t.Final = InputRequestSchema()
_QUERY: t.Final = InputRequestQuerySchema()
_ANSWER: t.Final = InputAnswerSchema()
_CONTENTS: t.Final = ("draft", "answer")


class Answered(t.NamedTuple):
    """A request that was answered."""

    request: Json
    is_new: bool
    """False if the same user has given the same answer before."""


def list_requests(app_state: AppState, requester: Requester, **query: object) -> list[Json]:
    """Return the input requests that *requester* may see, newest first.

    :raises InvalidRequest: if a value is not valid.
    """
    page = load(_QUERY, {name: value for name, value in query.items() if value is not None})
    wanted = Page(**{**page, "assigned": page["assigned"] is not None})
    with app_state.database.read_session() as session:
        found = input_requests.list_page(session, app_state.models, requester, wanted)
        return [_dumped(app_state, each, requester) for each in found]


def read_request(app_state: AppState, id: Id, requester: Requester) -> Json:
    """Return one input request.

    :raises NotFound: if there is none, or not for *requester*.
    """
    with app_state.database.read_session() as session:
        return _dumped(app_state, _find(session, app_state, id, requester), requester)


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
        found = _find(session, app_state, id, requester)
        _check(app_state, found, requester, decision, loaded)
    ended = Ended(InputStatus.ANSWERED, decision, loaded or None, by)
    with app_state.database.write_transaction() as session:
        is_new = input_requests.end(session, app_state, found.request, ended)
    if is_new:
        release_next(app_state, found.request.owner_id)
    with app_state.database.read_session() as session:
        now = _find(session, app_state, id, requester)
        if not is_new:
            _check_same(now, ended)
        return Answered(_dumped(app_state, now, requester), is_new)


def _find(session: Session, app_state: AppState, id: Id, requester: Requester) -> Found:
    key = parse_uuid(id, "input request")
    found = input_requests.find(session, app_state.models, key, requester)
    if found is None:
        raise NotFound(f"There is no input request '{id}'.")
    return found


def _check(
    app_state: AppState, found: Found, requester: Requester, decision: str, content: Json
) -> None:
    """Check that *requester* may decide so."""
    if not found.may_be_answered_by(requester):
        raise NotAsked("You can see this request, but it asks others.")
    request = found.request
    if decision not in request.decisions:
        allowed = ", ".join(f"'{each}'" for each in request.decisions)
        raise _invalid("/decision", f"This request allows only {allowed}.")
    _check_content(decision, content)
    if decision == Decision.EDIT:
        _check_edit(app_state, request, content)


def _check_content(decision: str, content: Json) -> None:
    """Check that an answer says what its decision needs."""
    if decision == Decision.EDIT:
        if len(content) != 1:
            field = "value" if content else "text"
            raise _invalid(f"/{field}", "Send either 'text' or 'value'.")
    elif "value" in content:
        raise _invalid("/value", "Leave 'value' out: it belongs to the decision 'edit'.")
    elif decision == Decision.CHANGE and not content.get("text", "").strip():
        raise _invalid("/text", "Say in 'text' what is to be changed.")


def _check_edit(app_state: AppState, request: InputRequestMixin, content: Json) -> None:
    """Check what is written instead of the draft, as far as no code of the host is needed."""
    limit = app_state.settings.max_output_chars
    field = "value" if "value" in content else "text"
    text = json.dumps(content["value"]) if field == "value" else content["text"]
    if len(text) > limit:
        raise _invalid(f"/{field}", f"At most {limit} characters are allowed.")
    if request.schema is None:
        if field == "value":
            raise _invalid("/value", "The step has no schema; send the answer as 'text'.")
        return
    if field == "text":
        raise _invalid("/text", "The answer of this step is an object; send it as 'value'.")
    if mismatch := find_mismatch(request.schema, content["value"]):
        pointer, detail = mismatch
        raise _invalid(f"/value{pointer}", detail)


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Problem(pointer, "invalid-answer", detail)])


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


def _dumped(app_state: AppState, found: Found, requester: Requester) -> Json:
    names: dict[str, list[str]] = {"users": [], "roles": []}
    for each in found.assignees:
        names[f"{each.kind}s"].append(each.name)
    dumped = {**_REQUEST.dump(found.request), "assignees": names}
    if found.is_due:
        dumped["status"] = InputStatus.EXPIRED.value
    is_open = dumped["status"] == InputStatus.OPEN
    dumped["may_answer"] = is_open and found.may_be_answered_by(requester)
    if not _sees_content(app_state, found, requester):
        dumped.update(dict.fromkeys(_CONTENTS))
    return t.cast(Json, dumped)


def _sees_content(app_state: AppState, found: Found, requester: Requester) -> bool:
    if sees_content(app_state, found.request.owner_id, requester):
        return True
    return requester is not None and found.names(requester)
