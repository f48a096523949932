"""Routes to fork executions and to compare them."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import url_for

from ..schemas import ComparisonSchema
from ..schemas import ForkedSchema
from ..schemas import ForkRequestSchema
from ..schemas import IdempotencyHeaderSchema
from ..services.async_execution_service import AsyncExecutionService
from .authentication import current_identity
from .executions import linked
from .executions import POLL_SECONDS
from .executions import REPLAYED
from .view_contracts import Answer
from .view_contracts import documents_headers_of_response
from .view_contracts import reads
from .view_contracts import responds

Json = dict[str, t.Any]

_service: t.Final = AsyncExecutionService()


@documents_headers_of_response("Location", "Retry-After", REPLAYED)
@responds(ForkedSchema(), 201)
@reads(ForkRequestSchema())
@reads(IdempotencyHeaderSchema(), "headers")
def fork_execution(body: Json, headers: Json, execution_id: str) -> Answer:
    """Queue a new execution that takes over finished steps of this one.

    A fork that is sent again with its ``Idempotency-Key`` is answered with the first one, and with
    ``Idempotency-Replayed: true``.
    """
    limits = body.pop("limits")
    forked = _service.fork(execution_id, current_identity(), **headers, **body, **limits)
    replayed = {REPLAYED: "true"} if forked["is_replay"] else {}
    status = linked(forked["execution"])
    location = url_for(".get_execution", execution_id=status["id"])
    headers = {"Location": location, "Retry-After": POLL_SECONDS, **replayed}
    return Answer({"execution": status, "steps": forked["steps"]}, headers)


@responds(ComparisonSchema())
def compare_executions(execution_id: str, other_id: str) -> Json:
    """Show how another execution differs from this one."""
    return _service.compare(execution_id, other_id, current_identity())


def add_routes(blueprint: Blueprint) -> None:
    """Add these routes to *blueprint*."""
    blueprint.post("/executions/<execution_id>/fork")(fork_execution)
    blueprint.get("/executions/<execution_id>/compare/<other_id>")(compare_executions)
