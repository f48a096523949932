"""The list of executions: its page, and what of it is updated."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping
from collections.abc import Sequence

from flask import Blueprint
from flask import request

from ..app_state import current_app_state
from ..ids import parse_uuid
from ..models import ExecutionMixin
from ..schemas import ExecutionQuerySchema
from ..schemas import FAILURE_CODES
from ..schemas import load
from ..schemas import MAX_IDS
from ..schemas import MAX_PAGE
from ..services.graph_service import GraphService
from ..statuses import ACTIVE
from ..statuses import ExecutionStatus
from ..statuses import TERMINAL
from ..storage.execution_counts import count_by_status
from ..storage.execution_counts import count_newer
from ..storage.execution_counts import Counts
from ..storage.execution_lists import list_executions as read_list
from ..web.authentication import current_identity
from .execution_filters import as_query
from .execution_filters import chips
from .execution_filters import read_filters
from .formatting import spoken
from .templating import render

Json = dict[str, t.Any]

PAGE: t.Final = 25
COUNT_LIMIT: t.Final = 1_000
"""Up to which executions are counted by status."""
_NEW_LIMIT: t.Final = 100
_NONE: t.Final = uuid.UUID(int=0)
"""Older than every execution."""

_graphs: t.Final = GraphService()


def list_executions() -> str:
    """List executions, newest first, with filters."""
    requester = current_identity()
    filters = read_filters(request.args)
    before = request.args.get("before") or None
    page = {"limit": PAGE, **({"before": before} if before else {})}
    query = load(ExecutionQuerySchema(), {**page, **as_query(filters)})
    query["limit"] = min(query["limit"], MAX_IDS)
    executions = read_list(current_app_state(), requester, **query)
    graphs = _graphs.list(requester, limit=MAX_PAGE)
    is_full = len(executions) == query["limit"]
    newest = executions[0].id if executions else _NONE
    return render(
        "executions.html",
        requester,
        **_live_values(executions, filters, newest if before is None else None),
        graphs=graphs,
        codes=FAILURE_CODES,
        chips=chips(filters, {str(graph.id): graph.name for graph in graphs}),
        selects_all=request.args.get("select") == "page",
        before=before,
        older=executions[-1].id if is_full else None,
        is_part=False,
    )


def list_live() -> str:
    """Show what is updated of a list: the rows that it has, the counts, and what is new."""
    filters = read_filters(request.args)
    given = request.args.get("newest")
    newest = parse_uuid(given, "execution") if given else None
    ids = {"ids": request.args.get("ids", "")}
    query = load(ExecutionQuerySchema(), {**ids, "limit": MAX_IDS} if ids["ids"] else {})
    rows = read_list(current_app_state(), current_identity(), **query) if ids["ids"] else []
    values = _live_values(rows, filters, newest)
    return render("executions_live.html", current_identity(), **values, is_part=True)


def _live_values(
    executions: Sequence[ExecutionMixin], filters: Mapping[str, str], newest: uuid.UUID | None
) -> Json:
    """Return what is shown of the rows and around them.

    :param newest: the newest execution of the list, if it is the first page.
    """
    app_state, requester = current_app_state(), current_identity()
    query = load(ExecutionQuerySchema(), as_query(filters))
    matching = {name: value for name, value in query.items() if name not in ("limit", "before")}
    others = {name: value for name, value in matching.items() if name != "status"}
    counts = count_by_status(app_state, requester, COUNT_LIMIT, **others)
    new = 0 if newest is None else count_newer(app_state, requester, newest, _NEW_LIMIT, **matching)
    texts = {status: _text(counts, status) for status in ExecutionStatus}
    return {
        "executions": executions,
        "filters": filters,
        "newest": newest,
        "counts": texts,
        "new": f"{_NEW_LIMIT - 1}+" if new == _NEW_LIMIT else str(new or ""),
        "summary": _summary(texts),
        "terminal": TERMINAL,
        "has_active": any(one.status not in TERMINAL for one in executions),
    }


def _text(counts: Counts, status: ExecutionStatus) -> str:
    """Return a number as people read it; an empty text if nothing is known of it."""
    count = counts.by_status[status]
    if counts.is_complete and count < COUNT_LIMIT:
        return f"{count:,}"
    return f"{count:,}+" if count else ""


def _summary(counts: Mapping[ExecutionStatus, str]) -> str:
    """Return which executions have not ended, for people who listen."""
    active = [status for status in ExecutionStatus if status in ACTIVE]
    known = [f"{counts[one]} {spoken(one)}" for one in active if counts[one] not in ("", "0")]
    return ", ".join(known) or "no active executions"


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages to *blueprint*."""
    blueprint.get("/executions")(list_executions)
    blueprint.get("/executions/live")(list_live)
