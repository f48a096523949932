"""Routes to see and answer what executions ask people."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..schemas import AnsweredSchema
from ..schemas import InputAnswerSchema
from ..schemas import InputAnswersSchema
from ..schemas import InputRequestPageSchema
from ..schemas import InputRequestQuerySchema
from ..schemas import InputRequestSchema
from ..services.async_execution_service import AsyncExecutionService
from ..services.input_requests import read_page
from .authentication import current_identity
from .view_contracts import documents_response
from .view_contracts import reads
from .view_contracts import responds

Json = dict[str, t.Any]

_service: t.Final = AsyncExecutionService()


@responds(InputRequestPageSchema())
@reads(InputRequestQuerySchema(), "query")
def list_input_requests(query: Json) -> Json:
    """List input requests that the user may see, newest first; large ones in shorter pages."""
    page = read_page(current_app_state(), current_identity(), query)
    return {"input_requests": page.requests, "next": page.next}


@responds(InputRequestSchema())
def get_input_request(request_id: str) -> Json:
    """Show an input request."""
    return _service.get_input_request(request_id, current_identity())


@documents_response(InputRequestSchema(), 200, 202)
@reads(InputAnswerSchema())
def answer_input_request(body: Json, request_id: str) -> ResponseReturnValue:
    """Answer an input request; 202 the first time, 200 if the same user repeats the answer."""
    answered = _service.answer(request_id, requester=current_identity(), **body)
    return answered.request, 202 if answered.is_new else 200


@documents_response(AnsweredSchema(), 200, 202)
@reads(InputAnswersSchema())
def answer_input_requests(body: Json, execution_id: str) -> ResponseReturnValue:
    """Answer several input requests of an execution, all or none; 200 if nothing was new."""
    answered = _service.answer_all(execution_id, body["answers"], current_identity())
    is_new = any(each.is_new for each in answered)
    return {"input_requests": [each.request for each in answered]}, 202 if is_new else 200


def add_routes(blueprint: Blueprint) -> None:
    """Add the routes of input requests to *blueprint*."""
    one = "/input-requests/<request_id>"
    blueprint.get("/input-requests")(list_input_requests)
    blueprint.get(one)(get_input_request)
    blueprint.post(f"{one}/answer")(answer_input_request)
    blueprint.post("/executions/<execution_id>/answers")(answer_input_requests)
