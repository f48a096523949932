"""Pages for people who are asked: their inbox, and each input request with its forms."""

from __future__ import annotations

import typing as t
import uuid

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..errors import InvalidRequest
from ..identity import Identity
from ..models import InputRequestMixin
from ..schemas import load
from ..schemas import PageQuerySchema
from ..services.async_execution_service import AsyncExecutionService
from ..services.input_requests import read_page
from ..services.input_requests import read_previous
from ..statuses import InputStatus
from ..storage.execution_queries import read_status
from ..storage.inbox import decided_requests
from ..web.authentication import current_identity
from .answer_forms import read_answer
from .answer_forms import read_entered
from .request_view import MARKDOWN
from .request_view import RequestView
from .request_view import TEXT
from .templating import render

Json = dict[str, t.Any]

PAGE: t.Final = 25
_DAY: t.Final = 24 * 3600
_MAX_SHOWN: t.Final = 50
"""How many open requests, and how many decisions, the page of an execution shows."""
NO_REQUESTS: t.Final[Json] = {"input_requests": [], "asks_more": False}
"""What :func:`requests_of_execution` returns of an execution that has ended."""

_service: t.Final = AsyncExecutionService()


class Filter(t.NamedTuple):
    """A choice of requests."""

    title: str
    query: Json
    empty: str
    """What the page says if there are none."""


FILTERS: t.Final[dict[str, Filter]] = {
    "mine": Filter("Mine", {"status": "open", "assigned": "me"}, "Nothing waits for you."),
    "open": Filter("Open", {"status": "open"}, "Nobody is asked anything."),
    "due": Filter(
        "Due", {"status": "open", "expires_within": _DAY}, "Nothing expires within a day."
    ),
    "answered": Filter("Answered", {"status": "answered"}, "Nothing was answered yet."),
    "expired": Filter("Expired", {"status": "expired"}, "Nothing has expired."),
}


def list_requests() -> str:
    """List input requests, newest first."""
    requester, shown = current_identity(), request.args.get("show", "mine")
    chosen = FILTERS.get(shown, FILTERS["mine"])
    given = {"before": request.args["before"]} if request.args.get("before") else {}
    page = load(PageQuerySchema(), {"limit": PAGE, **given})
    found = read_page(current_app_state(), requester, {**chosen.query, **page}, content=False)
    return render(
        "inbox.html",
        requester,
        views=[RequestView(asked=each) for each in found.requests],
        filters=FILTERS,
        shown=shown if shown in FILTERS else "mine",
        chosen=chosen,
        is_first=page["before"] is None,
        older=found.next,
    )


def show_request(request_id: str) -> str:
    """Show an input request with its forms."""
    asked = _service.get_input_request(request_id, current_identity())
    return _render(view_of(asked, current_identity()))


def answer_request(request_id: str) -> ResponseReturnValue:
    """Answer an input request, and redirect to its page, or to the execution's."""
    requester, entered = current_identity(), read_entered(request.form)
    asked = _service.get_input_request(request_id, requester)
    try:
        given = read_answer(asked, entered)
        _service.answer(request_id, requester=requester, **given)
    except InvalidRequest as error:
        view = view_of(asked, requester, entered=entered, problems=error.problems)
        if not view.has_forms:
            raise
        return _render(view), error.status
    if entered.get("next") == "execution":
        return redirect(url_for(".show_execution", execution_id=asked["execution_id"]), 303)
    return redirect(url_for(".show_request", request_id=request_id), 303)


def view_of(asked: Json, requester: Identity, **form: t.Any) -> RequestView:
    """Return a request with the round before, in the format that the address names."""
    previous = read_previous(current_app_state(), asked["id"], requester)
    format = MARKDOWN if request.args.get("format") == MARKDOWN else TEXT
    return RequestView(asked=asked, previous=previous, format=format, **form)


def _render(view: RequestView) -> str:
    requester, execution_id = current_identity(), view.asked["execution_id"]
    sees_execution = read_status(current_app_state(), execution_id, requester) is not None
    return render("input_request.html", requester, view=view, sees_execution=sees_execution)


def requests_of_execution(execution_id: str, requester: Identity) -> Json:
    """Return what an execution asks now, and whether that is more than its page shows."""
    query = {"execution_id": execution_id, "status": InputStatus.OPEN, "limit": _MAX_SHOWN}
    found = read_page(current_app_state(), requester, query)
    views = [RequestView(asked=each) for each in found.requests]
    return {"input_requests": views, "asks_more": found.next is not None}


def decisions_of_execution(execution_id: uuid.UUID) -> t.Sequence[InputRequestMixin]:
    """Return what people have decided about an execution that the user may see, newest first."""
    app_state = current_app_state()
    with app_state.database.read_session() as session:
        return decided_requests(session, app_state.models, execution_id, _MAX_SHOWN)


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages to *blueprint*."""
    one = "/input-requests/<request_id>"
    blueprint.get("/input-requests")(list_requests)
    blueprint.get(one)(show_request)
    blueprint.post(f"{one}/answer")(answer_request)
