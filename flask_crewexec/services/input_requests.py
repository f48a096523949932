"""Input requests, as people see and answer them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import InvalidRequest
from ..errors import NotFound
from ..errors import Problem
from ..identity import Identity
from ..ids import parse_uuid
from ..schemas import InputRequestQuerySchema
from ..schemas import InputRequestSchema
from ..schemas import load
from ..schemas import MAX_PAGE
from ..statuses import InputKind
from ..statuses import InputStatus
from ..storage import inbox
from ..storage import input_requests
from ..storage.execution_queries import Id
from ..storage.input_requests import Found
from ..storage.input_requests import LINK
from ..storage.input_requests import Page
from ..storage.ownership import Requester
from ..storage.ownership import user_seen_by
from .answer_rights import Answerer
from .answer_rights import find_refusal
from .answer_rights import may_bypass
from .call_pages import sees_content

Json = dict[str, t.Any]

_REQUEST: t.Final = InputRequestSchema()
_SHAPE: t.Final = InputRequestSchema(exclude=input_requests.CONTENTS)
_QUERY: t.Final = InputRequestQuerySchema()
_CONTENTS: t.Final = ("draft", "arguments", "digest", "answer")
_OF_MODEL: t.Final = ("message", "schema")
"""What a model has written of a question."""

_NOBODY: t.Final = (
    "'me' needs a user: call 'AsyncExecutionService().for_user(user).input_requests(…)'."
)


class RequestPage(t.NamedTuple):
    """Some input requests, newest first."""

    requests: list[Json]
    next: str | None
    """``before`` for the next page, if there may be one."""


def read_page(
    app_state: AppState, requester: Requester, query: Json, *, content: bool = True
) -> RequestPage:
    """Return input requests that *requester* may see: fewer than ``limit`` if they are large.

    :param content: whether they contain what is to be decided about and what was written.
    :raises InvalidRequest: if a value is not valid.
    """
    page = load(_QUERY, {name: value for name, value in query.items() if value is not None})
    if page["assigned"] is not None and requester is None:
        raise InvalidRequest(_NOBODY, [Problem("/assigned", "invalid-value", _NOBODY)])
    wanted = Page(**{**page, "assigned": page["assigned"] is not None})
    max_chars = app_state.settings.max_status_chars if content else None
    with app_state.database.read_session() as session:
        listed = input_requests.list_page(session, app_state.models, requester, wanted, max_chars)
        schema = _REQUEST if content else _SHAPE
        dumped = [dump_request(app_state, each, requester, schema) for each in listed.found]
    return RequestPage(dumped, dumped[-1]["id"] if dumped and listed.may_go_on else None)


def read_all(app_state: AppState, requester: Requester, **filters: t.Any) -> Iterator[Json]:
    """Yield the input requests of all pages.

    :raises InvalidRequest: if a value is not valid.
    """
    query = {**filters, "limit": MAX_PAGE}
    page = read_page(app_state, requester, query)
    yield from page.requests
    while page.next is not None:
        page = read_page(app_state, requester, {**query, "before": page.next})
        yield from page.requests


def read_request(app_state: AppState, id: Id, requester: Requester) -> Json:
    """Return one input request.

    :raises NotFound: if there is none, or not for *requester*.
    """
    with app_state.database.read_session() as session:
        return dump_request(app_state, find_request(session, app_state, id, requester), requester)


def read_previous(app_state: AppState, id: Id, requester: Requester) -> Json | None:
    """Return the request of the round before a request; None if there is none.

    :raises NotFound: if there is no such request, or not for *requester*.
    """
    with app_state.database.read_session() as session:
        found = find_request(session, app_state, id, requester)
        key = inbox.previous_id(session, app_state.models, found.request)
        if key is None:
            return None
        previous = input_requests.find(session, app_state.models, key, requester)
        return previous and dump_request(app_state, previous, requester)


def count_asked(app_state: AppState, requester: Identity, limit: int) -> int:
    """Return how many open requests *requester* is asked, at most *limit*."""
    with app_state.database.read_session() as session:
        return inbox.count_asked(session, app_state.models, requester, limit)


def find_request(session: Session, app_state: AppState, id: Id, requester: Requester) -> Found:
    """Return a request.

    :raises NotFound: if there is none, or not for *requester*.
    """
    key = parse_uuid(id, "input request")
    found = input_requests.find(session, app_state.models, key, requester)
    if found is None:
        raise NotFound(f"There is no input request '{id}'.")
    return found


def dump_request(
    app_state: AppState,
    found: Found,
    requester: Requester,
    schema: InputRequestSchema = _REQUEST,
) -> Json:
    """Return a request as *requester* may see it."""
    names: dict[str, list[str]] = {"users": [], "roles": []}
    for each in found.assignees:
        if each.kind != LINK:
            names[f"{each.kind}s"].append(each.name)
    dumped = {**schema.dump(found.request), "assignees": names, "graph_name": None}
    if user_seen_by(requester) in (None, found.request.owner_id):
        dumped["graph_name"] = found.graph_name
    if found.is_due:
        dumped["status"] = InputStatus.EXPIRED.value
    is_open = dumped["status"] == InputStatus.OPEN
    sees = sees_request(app_state, found, requester)
    is_asked = sees and find_refusal(found, Answerer(requester)) is None
    dumped["may_answer"] = is_open and is_asked
    dumped["may_bypass"] = is_open and not is_asked and may_bypass(requester)
    if not sees:
        is_question = found.request.kind == InputKind.QUESTION
        dumped.update(dict.fromkeys(_CONTENTS + (_OF_MODEL if is_question else ())))
    return t.cast(Json, dumped)


def sees_request(app_state: AppState, found: Found, requester: Requester) -> bool:
    """Return whether *requester* may see the contents of a request, not only that there is one."""
    if sees_content(app_state, found.request.owner_id, requester):
        return True
    return requester is not None and found.names(requester)
