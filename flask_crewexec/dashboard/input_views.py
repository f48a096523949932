"""Input requests on the page of their execution, and the action of their buttons."""

from __future__ import annotations

import json
import typing as t
import unicodedata

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..errors import InvalidRequest
from ..errors import Problem
from ..identity import Identity
from ..services.async_execution_service import AsyncExecutionService
from ..statuses import Decision
from ..statuses import InputStatus
from ..web.authentication import current_identity

Json = dict[str, t.Any]

_service: t.Final = AsyncExecutionService()
_LINE_BREAKS: t.Final = "\n\t"
_MAX_SHOWN: t.Final = 50
"""How many requests of one execution its page shows."""


def requests_of_execution(execution_id: str, requester: Identity) -> list[Json]:
    """Return what an execution asks now, with the drafts as people see them."""
    found = _service.input_requests(
        requester, execution_id=execution_id, status=InputStatus.OPEN, limit=_MAX_SHOWN
    )
    return [{**each, "shown": _shown(each), "editable": _editable(each)} for each in found]


def _shown(asked: Json) -> str:
    """Return the whole draft, with characters that nobody would see as their code points."""
    return visible(asked["draft"]["text"]) if asked["draft"] else ""


def _editable(asked: Json) -> str:
    draft = asked["draft"] or {"text": ""}
    if asked["schema"] is None:
        return str(draft["text"])
    return json.dumps(draft.get("value", {}), indent=2, ensure_ascii=False)


def visible(text: str) -> str:
    """Return *text* with invisible and bidirectional characters as their code points."""
    return "".join(_named(each) if _is_invisible(each) else each for each in text)


def _is_invisible(character: str) -> bool:
    return character not in _LINE_BREAKS and unicodedata.category(character) in ("Cc", "Cf", "Co")


def _named(character: str) -> str:
    return f"[U+{ord(character):04X}]"


def answer_request(request_id: str) -> ResponseReturnValue:
    """Answer an input request, and redirect to the page of its execution."""
    requester, decision = current_identity(), request.form.get("decision", "")
    asked = _service.get_input_request(request_id, requester)
    content = _content(asked, decision)
    bypass = "bypass" in request.form
    answered = _service.answer(request_id, decision, requester, bypass=bypass, **content)
    id = answered.request["execution_id"]
    return redirect(url_for(".show_execution", execution_id=id), 303)


def _content(asked: Json, decision: str) -> Json:
    """Return what was written, for the decisions that need it."""
    if decision == Decision.EDIT:
        edited = request.form.get("edited", "").replace("\r\n", "\n")
        return {"text": edited} if asked["schema"] is None else {"value": _as_object(edited)}
    words = request.form.get("text", "").replace("\r\n", "\n").strip()
    return {"text": words or None} if decision in (Decision.CHANGE, Decision.REJECT) else {}


def _as_object(text: str) -> Json:
    """Return the object that was written as JSON.

    :raises InvalidRequest: if it is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        detail = "The answer of this step is an object; write it as JSON."
        raise InvalidRequest(detail, [Problem("/value", "invalid-answer", detail)])
    return t.cast(Json, value)


def add_routes(blueprint: Blueprint) -> None:
    """Add the action to *blueprint*."""
    blueprint.post("/input-requests/<request_id>/answer")(answer_request)
