"""Calls of executions, as their owners see them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

from sqlalchemy.orm import load_only
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..models import CallMixin
from ..models import ExecutionMixin
from ..schemas import CallQuerySchema
from ..schemas import CallSchema
from ..schemas import load
from ..schemas.calls import MAX_CALLS
from ..statuses import CallKind
from ..statuses import CallStatus
from ..statuses import TERMINAL
from ..storage import call_log
from ..storage.call_retention import redact_value
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import Id
from ..storage.ownership import Requester

Json = dict[str, t.Any]

_QUERY: t.Final = CallQuerySchema()
_CALL: t.Final = CallSchema()
_SHAPE: t.Final = CallSchema(exclude=("request", "answer"))
_CONTENTS: t.Final = ("request", "answer", "messages")
_NOTHING: t.Final = {"request": None, "answer": None}
_NO_MESSAGES: t.Final[Json] = {"messages": None, "messages_omitted": 0, "omitted_in_call": None}


def read_calls(
    app_state: AppState, execution_id: Id, requester: Requester, **page: object
) -> list[Json]:
    """Return the calls with a number greater than ``after``, at most ``limit``.

    There are fewer, but at least one, where they would contain too much.

    :raises NotFound: if there is no such execution, or not for *requester*.
    :raises InvalidRequest: if a value is out of range.
    """
    query = load(_QUERY, page)
    with app_state.database.read_session() as session:
        execution = _find(session, app_state, execution_id, requester)
        content = query.pop("content") and sees_content(app_state, execution.owner_id, requester)
        query["max_chars"] = app_state.settings.max_status_chars if content else None
        rows = call_log.read_calls(session, app_state.models, execution.id, **query)
        calls = list(_dumped(rows, execution, content=content))
    return [_redacted(app_state, call) for call in calls]


def read_call(
    app_state: AppState,
    execution_id: Id,
    number: int | str,
    requester: Requester,
    *,
    whole: bool = True,
) -> Json:
    """Return a call.

    :param whole: whether to read all messages of its request, or the last ones of too many.
    :raises NotFound: if there is no such call, or not for *requester*.
    """
    models = app_state.models
    with app_state.database.read_session() as session:
        execution = _find(session, app_state, execution_id, requester)
        row = call_log.find_call(session, models, execution.id, number)
        content = sees_content(app_state, execution.owner_id, requester)
        (call,) = _dumped([row], execution, content=content)
        call.update(_whole_request(session, app_state, row) if whole and content else _NO_MESSAGES)
    return _redacted(app_state, call)


def read_all_calls(app_state: AppState, execution_id: Id, requester: Requester) -> Iterator[Json]:
    """Yield all calls in order, those of models with all messages of their requests.

    :raises NotFound: if there is no such execution, or not for *requester*.
    """
    conversations: dict[tuple[object, ...], list[Json] | None] = {}
    after: int | None = 0
    while after is not None:
        with app_state.database.read_session() as session:
            execution = _find(session, app_state, execution_id, requester)
            content = sees_content(app_state, execution.owner_id, requester)
            rows = call_log.read_calls(
                session,
                app_state.models,
                execution.id,
                after=after,
                limit=MAX_CALLS,
                max_chars=app_state.settings.max_status_chars if content else None,
            )
            calls = list(_dumped(rows, execution, content=content))
        for row, call in zip(rows, calls, strict=True):
            key = (row.step, row.path, row.generation, row.kind)
            call["messages"] = conversations[key] = _joined(conversations.get(key), call)
            yield _redacted(app_state, call)
        after = rows[-1].number if rows else None


def _joined(earlier: list[Json] | None, call: Json) -> list[Json] | None:
    """Return all messages of a request; None if some are not stored.

    :param earlier: those of the request before it in the same conversation.
    """
    request = call["request"]
    if call["kind"] != CallKind.MODEL or request is None or (request["start"] and not earlier):
        return None
    return [*(earlier or [])[: request["start"]], *request["messages"]]


def _find(
    session: Session, app_state: AppState, execution_id: Id, requester: Requester
) -> ExecutionMixin:
    execution = app_state.models.execution
    needed = load_only(execution.status, execution.owner_id)
    return find_execution(session, app_state.models, execution_id, requester, needed)


def sees_content(app_state: AppState, owner_id: str, requester: Requester) -> bool:
    """Return whether *requester* may read what was said in the executions of a user."""
    if requester is None or requester.user_id == owner_id:
        return True
    return app_state.settings.managers_see_content


def _dumped(
    rows: Iterable[CallMixin], execution: ExecutionMixin, *, content: bool
) -> Iterable[Json]:
    for row in rows:
        call = _CALL.dump(row) if content else {**_SHAPE.dump(row), **_NOTHING}
        if call["status"] == CallStatus.STARTED and execution.status in TERMINAL:
            call["status"] = CallStatus.UNKNOWN.value
        yield call


def _whole_request(session: Session, app_state: AppState, call: CallMixin) -> Json:
    """Return the messages of a request, as far as they fit, and where those before them are."""
    if call.kind != CallKind.MODEL:
        return _NO_MESSAGES
    max_chars = app_state.settings.max_status_chars
    last = call_log.last_requests(session, app_state.models, call, max_chars)
    if None in last.requests:
        return _NO_MESSAGES
    omitted = 0 if last.call_before is None else last.requests[0]["start"]
    messages: list[Json] = []
    for request in last.requests:
        messages = [*messages[: max(0, request["start"] - omitted)], *request["messages"]]
        omitted = min(omitted, request["start"])
    found_in = last.call_before if omitted else None
    return {"messages": messages, "messages_omitted": omitted, "omitted_in_call": found_in}


def _redacted(app_state: AppState, call: Json) -> Json:
    """Return a call whose texts the host's redactor has seen."""
    redactor = app_state.registry.redactor
    if redactor is None:
        return call
    for name in _CONTENTS:
        if name in call:
            call[name] = redact_value(redactor, call[name], "shown")
    return call
