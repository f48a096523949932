"""Cancel or retry several executions of the list, after a page that says what would happen.

Two that were ticked can be compared.
"""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping
from collections.abc import Sequence

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from ..app_state import current_app_state
from ..errors import InvalidRequest
from ..ids import parse_uuid
from ..models import ExecutionMixin
from ..schemas import CancelRequestSchema
from ..schemas import ExecutionQuerySchema
from ..schemas import load
from ..services.async_execution_service import AsyncExecutionService
from ..statuses import ACTIVE
from ..statuses import ExecutionStatus
from ..statuses import RETRYABLE
from ..storage.execution_counts import find_ids
from ..storage.execution_lists import list_executions
from ..web.authentication import current_identity
from ..web.several import SECONDS
from .execution_filters import as_query
from .execution_filters import read_filters
from .templating import render

Json = dict[str, t.Any]
Given = MultiDict[str, str]

MOST: t.Final = 1_000
"""Executions that one request changes."""
_EXAMPLES: t.Final = 10
"""Of those that match, so many are named before."""
_SUITABLE: t.Final = {"cancel": ACTIVE, "retry": RETRYABLE}

_executions: t.Final = AsyncExecutionService()


class _Choice(t.NamedTuple):
    """What is to be done, and with which executions."""

    action: str
    is_matching: bool
    """Whether it is about all that match the filters, and not about those that were ticked."""
    ids: list[str]
    has_more: bool
    """Whether further executions match."""
    before: uuid.UUID | None
    """Of those that match, only older ones are meant: the others came after the question."""
    filters: dict[str, str]


def confirm_several() -> ResponseReturnValue:
    """Ask whether executions shall be cancelled or retried, and show what would happen."""
    if request.args.get("action") == "compare":
        return _compare(_read_ids(request.args))
    choice = _read_choice(request.args)
    shown = choice.ids[:_EXAMPLES] if choice.is_matching else choice.ids
    found = _read_rows(shown)
    suitable = [one for one in found if one.status in _SUITABLE[choice.action]]
    number = len(choice.ids) if choice.is_matching else len(suitable)
    return render(
        "several.html",
        current_identity(),
        choice=choice,
        number=number,
        executions=found,
        prospects={one.id: _prospect(choice.action, one.status) for one in found},
    )


def _compare(ids: Sequence[str]) -> ResponseReturnValue:
    """Redirect to the comparison of two executions, the older one first."""
    if len(ids) != 2:
        raise InvalidRequest("Select two executions to compare them.")
    older, newer = sorted(ids)
    return redirect(url_for(".compare_executions", execution_id=older, other_id=newer), 303)


def change_several() -> str:
    """Cancel or retry executions, and show what came of each."""
    choice = _read_choice(request.form)
    outcomes = _act(choice)
    names = {str(one.id): one for one in _read_rows([one["id"] for one in outcomes])}
    left = [one["id"] for one in outcomes if (one["error"] or {}).get("code") == "interrupted"]
    tried = [one["id"] for one in outcomes if one["id"] not in left]
    return render(
        "several_done.html",
        current_identity(),
        choice=choice,
        outcomes=[{**one, "came": _came(choice.action, one)} for one in outcomes],
        executions=names,
        done=sum(one["error"] is None for one in outcomes),
        refused=sum(one["error"] is not None for one in outcomes) - len(left),
        left=left,
        goes_on=bool(left) or choice.has_more,
        before=tried[-1] if tried else choice.before,
        reason=request.form.get("reason", ""),
    )


def _act(choice: _Choice) -> list[Json]:
    requester = current_identity()
    if choice.action == "retry":
        return _executions.retry_several(choice.ids, requester, seconds=SECONDS)
    body = load(CancelRequestSchema(), {"reason": request.form.get("reason") or None})
    by = requester.user_id
    return _executions.cancel_several(choice.ids, requester, by=by, seconds=SECONDS, **body)


def _read_choice(given: Given) -> _Choice:
    action, filters = given.get("action", ""), read_filters(given)
    if action not in _SUITABLE:
        raise InvalidRequest("Choose what to do: 'cancel' or 'retry'.")
    if given.get("scope") == "matching":
        return _find_matching(action, filters, given.get("before"))
    return _Choice(action, False, _read_ids(given), False, None, filters)


def _read_ids(given: Given) -> list[str]:
    """Return the ids of the executions that were ticked."""
    ids = [*dict.fromkeys(str(parse_uuid(id, "execution")) for id in given.getlist("ids"))]
    if len(ids) > MOST:
        raise InvalidRequest(f"Choose at most {MOST:,} executions.")
    return ids


def _find_matching(action: str, filters: dict[str, str], given_before: str | None) -> _Choice:
    """Find those for which the action makes sense, as far as one request changes them."""
    query = load(ExecutionQuerySchema(), as_query(filters))
    before = parse_uuid(given_before, "execution") if given_before else None
    columns = {name: each for name, each in query.items() if name not in ("limit", "before")}
    status = columns.pop("status", None)
    statuses = [one for one in sorted(_SUITABLE[action]) if status in (None, one)]
    found = find_ids(
        current_app_state(),
        current_identity(),
        statuses,
        MOST + 1,
        uncancelled=action == "cancel",
        before=before,
        **columns,
    )
    after_newest = uuid.UUID(int=found[0].int + 1) if found else None
    ids = [str(id) for id in found[:MOST]]
    return _Choice(action, True, ids, len(found) > MOST, before or after_newest, filters)


def _read_rows(ids: Sequence[str]) -> Sequence[ExecutionMixin]:
    known = [parse_uuid(id, "execution") for id in ids]
    return list_executions(current_app_state(), current_identity(), ids=known, limit=len(known))


def _prospect(action: str, status: str) -> str:
    """Return what would become of an execution."""
    if status not in _SUITABLE[action]:
        return "has ended; it stays as it is" if action == "cancel" else "cannot be retried"
    if action == "retry":
        return "is queued again"
    return "stops before its next call" if status == ExecutionStatus.RUNNING else "ends at once"


def _came(action: str, outcome: Mapping[str, t.Any]) -> str:
    """Return what came of an execution."""
    if error := outcome["error"]:
        return str(error["detail"])
    if action == "retry":
        return "It is queued again."
    is_running = outcome["status"] == ExecutionStatus.RUNNING
    return "It stops before its next call." if is_running else "It is cancelled."


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages to *blueprint*."""
    blueprint.get("/executions/several")(confirm_several)
    blueprint.post("/executions/several")(change_several)
