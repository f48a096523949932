"""Routes to cancel and retry several executions at once."""

from __future__ import annotations

import typing as t

from flask import Blueprint

from ..schemas import CancelSeveralSchema
from ..schemas import OutcomesSchema
from ..schemas import RetrySeveralSchema
from ..services.async_execution_service import AsyncExecutionService
from .authentication import current_identity
from .view_contracts import reads
from .view_contracts import responds

Json = dict[str, t.Any]

SECONDS: t.Final = 15.0
"""How long a request goes on with further executions; clients wait for 20 seconds."""

_service: t.Final = AsyncExecutionService()


@responds(OutcomesSchema())
@reads(CancelSeveralSchema())
def cancel_executions(body: Json) -> Json:
    """Cancel executions, each by itself, and say what came of each."""
    requester = current_identity()
    outcomes = _service.cancel_several(
        requester=requester,
        by=requester.user_id,
        seconds=SECONDS,
        task_ids=body["ids"],
        reason=body["reason"],
    )
    return {"executions": outcomes}


@responds(OutcomesSchema())
@reads(RetrySeveralSchema())
def retry_executions(body: Json) -> Json:
    """Retry executions with the given limits, each by itself, and say what came of each."""
    ids = body.pop("ids")
    outcomes = _service.retry_several(ids, current_identity(), seconds=SECONDS, **body)
    return {"executions": outcomes}


def add_routes(blueprint: Blueprint) -> None:
    """Add the routes to *blueprint*."""
    blueprint.post("/executions/cancel")(cancel_executions)
    blueprint.post("/executions/retry")(retry_executions)
