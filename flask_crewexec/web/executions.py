"""Routes to queue, watch, cancel and retry executions."""

from __future__ import annotations

import logging
import typing as t
import uuid

from flask import Blueprint
from flask import request
from flask import Response
from flask import url_for
from flask.typing import ResponseReturnValue

from ..errors import WrongState
from ..identity import Identity
from ..scheduling.status_document import with_links
from ..scheduling.submission_checks import Submission
from ..schemas import CallPageSchema
from ..schemas import CallQuerySchema
from ..schemas import CancelRequestSchema
from ..schemas import EventPageSchema
from ..schemas import EventWaitSchema
from ..schemas import ExecutionPageSchema
from ..schemas import ExecutionPreviewSchema
from ..schemas import ExecutionQuerySchema
from ..schemas import IdempotencyHeaderSchema
from ..schemas import LastEventIdHeaderSchema
from ..schemas import LimitsSchema
from ..schemas import NoQuerySchema
from ..schemas import PreferHeaderSchema
from ..schemas import QueueRequestSchema
from ..schemas import ResultSchema
from ..schemas import SeveralEventsQuerySchema
from ..schemas import SeveralEventsSchema
from ..schemas import StepSchema
from ..schemas import WholeCallSchema
from ..schemas import WholeExecutionSchema
from ..services.async_execution_service import AsyncExecutionService
from ..services.event_pages import EventPage
from ..services.event_stream import poll_events
from ..services.event_stream import poll_several
from . import sse
from .authentication import current_identity
from .extra_columns import extra_of_request
from .stream_slots import waiting
from .view_contracts import Answer
from .view_contracts import documents_header
from .view_contracts import documents_headers_of_response
from .view_contracts import documents_response
from .view_contracts import reads
from .view_contracts import responds
from .view_contracts import wait_preference

Json = dict[str, t.Any]

POLL_SECONDS: t.Final = "2"
"""Value of ``Retry-After`` for clients that poll an execution."""

REPLAYED: t.Final = "Idempotency-Replayed"

log = logging.getLogger(__name__)

_service: t.Final = AsyncExecutionService()
_LIMITS: t.Final = tuple(LimitsSchema().fields)


@documents_headers_of_response("Location", "Retry-After", REPLAYED)
@documents_response(WholeExecutionSchema(), 202)
@documents_header(PreferHeaderSchema())
@reads(QueueRequestSchema())
@reads(IdempotencyHeaderSchema(), "headers")
@reads(NoQuerySchema(), "query")
def queue_execution(body: Json, headers: Json, query: Json) -> ResponseReturnValue:
    """Queue a run of a graph; with an ``Idempotency-Key``, only once if it is sent again.

    A submission that is sent again is answered with the execution of the first one, and with
    ``Idempotency-Replayed: true``.
    """
    requester = current_identity()
    status, is_replay = _service.queue(_submission(body, requester, headers["idempotency_key"]))
    location = f"{request.script_root}{request.path}/{status['id']}"
    replayed = {REPLAYED: "true"} if is_replay else {}
    with waiting(requester.user_id, wait_preference()) as seconds:
        status = _wait_for(status, requester, seconds)
    return linked(status), 202, {"Location": location, "Retry-After": POLL_SECONDS, **replayed}


@responds(ExecutionPreviewSchema())
@reads(QueueRequestSchema())
@reads(IdempotencyHeaderSchema(), "headers")
@reads(NoQuerySchema(), "query")
def preview_execution(body: Json, headers: Json, query: Json) -> Json:
    """Make every check of a submission, and show what it would queue; nothing is stored."""
    submission = _submission(body, current_identity(), headers["idempotency_key"])
    return _service.preview(submission)


def _submission(body: Json, requester: Identity, idempotency_key: str | None) -> Submission:
    return Submission(
        graph_id=body["graph_id"],
        thread_id=body["thread_id"],
        user_id=requester.user_id,
        inputs=body["inputs"],
        priority=body.get("priority"),
        limits={name: body[name] for name in _LIMITS},
        idempotency_key=idempotency_key,
        roles=requester.roles,
        is_loaded=True,
        webhook=body["webhook"],
        extra=extra_of_request(),
    )


@responds(ExecutionPageSchema())
@reads(ExecutionQuerySchema(), "query")
def list_executions(query: Json) -> Json:
    """List executions, newest first."""
    page = _service.list_executions(current_identity(), **query)
    return {"executions": page, "next": next_id(page, query["limit"])}


@responds(WholeExecutionSchema())
@documents_header(PreferHeaderSchema())
def get_execution(execution_id: str) -> Answer:
    """Show an execution with its steps and result."""
    requester, wanted = current_identity(), wait_preference()
    with waiting(requester.user_id, wanted) as seconds:
        status = _service.wait(execution_id, requester, seconds=seconds)
    return Answer(linked(status), _pause_unless(seconds == wanted))


@responds(StepSchema())
def get_step(execution_id: str, position: str) -> Json:
    """Show a step with its whole output."""
    return _service.get_step(execution_id, position, current_identity())


@responds(ResultSchema())
def get_result(execution_id: str) -> Json:
    """Show the whole result of an execution."""
    return _service.get_result(execution_id, current_identity())


@documents_response(None, 200, media=sse.MIMETYPE)
@responds(EventPageSchema())
@documents_header(LastEventIdHeaderSchema())
@reads(EventWaitSchema(), "query")
def list_events(query: Json, execution_id: str) -> Answer | Response:
    """List the events of an execution, oldest first, or stream them as they happen."""
    requester, after, wanted = current_identity(), query["after"], query.pop("wait")
    if sse.wants_stream():
        return sse.respond(execution_id, requester, after)
    with waiting(requester.user_id, wanted) as seconds:
        page = poll_events(execution_id, requester, seconds=seconds, **query)
    body = {"events": page, "next": page[-1]["seq"] if page else after}
    return Answer(body, _pause_unless(seconds == wanted))


@documents_response(None, 200, media=sse.MIMETYPE)
@responds(SeveralEventsSchema())
@documents_header(LastEventIdHeaderSchema())
@reads(SeveralEventsQuerySchema(), "query")
def list_events_of_several(query: Json) -> Answer | Response:
    """List the events of several executions, or stream them as they happen."""
    requester, wanted = current_identity(), query.pop("wait")
    if sse.wants_stream():
        return sse.respond_to_several(query["positions"], requester)
    with waiting(requester.user_id, wanted) as seconds:
        pages = poll_several(query["positions"], requester, seconds=seconds, limit=query["limit"])
    body = [_page_of(id, page, query["positions"][id]) for id, page in pages.items()]
    return Answer({"executions": body}, _pause_unless(seconds == wanted))


def _page_of(id: uuid.UUID, page: EventPage, after: int) -> Json:
    events = page.events
    next = events[-1]["seq"] if events else after
    return {
        "execution_id": str(id),
        "events": events,
        "next": next,
        "final_status": page.final_status,
    }


@responds(CallPageSchema())
@reads(CallQuerySchema(), "query")
def list_calls(query: Json, execution_id: str) -> Json:
    """List the model calls, tool calls and checks of an execution, in order."""
    page = _service.get_calls(execution_id, current_identity(), **query)
    return {"calls": page, "next": page[-1]["number"] if page else query["after"]}


@responds(WholeCallSchema())
def get_call(execution_id: str, number: str) -> Json:
    """Show a call with everything that a model was asked."""
    return _service.get_call(execution_id, number, current_identity())


@responds(WholeExecutionSchema(), 202)
@reads(CancelRequestSchema())
def cancel_execution(body: Json, execution_id: str) -> Json:
    """Cancel an execution: at once, or before its next model or tool call."""
    requester = current_identity()
    if not _service.cancel_task(execution_id, requester, by=requester.user_id, **body):
        status = _service.get_task_status(execution_id, requester)["status"]
        raise WrongState(f"The execution is '{status}' already; there is nothing to cancel.")
    return linked(_service.get_task_status(execution_id, requester))


@responds(WholeExecutionSchema(), 202)
@reads(LimitsSchema())
def retry_execution(limits: Json, execution_id: str) -> Json:
    """Retry an ended execution after its completed steps, with the given limits."""
    return linked(_service.retry(execution_id, current_identity(), **limits))


def linked(status: Json) -> Json:
    """Return a status with the URLs of what was left out."""
    return with_links(status, lambda view, **values: url_for(f".{view}", **values))


def _wait_for(status: Json, requester: Identity, seconds: float) -> Json:
    """Return the status after waiting; if that fails, *status*, since the execution is queued."""
    try:
        return _service.wait(status["id"], requester, seconds=seconds) if seconds else status
    except Exception:
        log.exception("Execution %s is queued, but could not be waited for.", status["id"])
        return status


def _pause_unless(may_wait: bool) -> dict[str, str]:
    """Return headers that keep a client from asking again at once, if it could not wait here."""
    return {} if may_wait else {"Retry-After": POLL_SECONDS}


def next_id(page: list[Json], limit: int) -> str | None:
    """Return the value of ``before`` for the next page, if there may be one."""
    return page[-1]["id"] if len(page) == limit else None


def add_routes(blueprint: Blueprint) -> None:
    """Add the routes of executions to *blueprint*."""
    one = "/executions/<execution_id>"
    blueprint.post("/executions")(queue_execution)
    blueprint.post("/executions/preview")(preview_execution)
    blueprint.get("/executions")(list_executions)
    blueprint.get(one)(get_execution)
    blueprint.get(f"{one}/result")(get_result)
    blueprint.get(f"{one}/steps/<position>")(get_step)
    blueprint.get(f"{one}/events")(list_events)
    blueprint.get("/events")(list_events_of_several)
    blueprint.get(f"{one}/calls")(list_calls)
    blueprint.get(f"{one}/calls/<number>")(get_call)
    blueprint.post(f"{one}/cancel")(cancel_execution)
    blueprint.post(f"{one}/retry")(retry_execution)
