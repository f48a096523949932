"""Routes of workers: what they run, and their drains."""

from __future__ import annotations

import typing as t

from flask import Blueprint

from ..app_state import current_app_state
from ..schemas import DrainRequestSchema
from ..schemas import WorkerReportSchema
from ..schemas import WorkerSchema
from ..services import worker_control
from .authentication import require_manager
from .view_contracts import reads
from .view_contracts import responds

Json = dict[str, t.Any]

_worker: t.Final = WorkerSchema()


@responds(WorkerReportSchema())
def list_workers() -> Json:
    """List the workers that have not signed off, with what they run.

    :raises Forbidden: for ordinary users, since this is about all users' executions.
    """
    require_manager("see the workers")
    found = worker_control.list_workers(current_app_state())
    return {"workers": _worker.dump(found, many=True)}


@responds(WorkerSchema())
@reads(DrainRequestSchema())
def drain_worker(body: Json, worker_id: str) -> Json:
    """Drain a worker: it finishes what it runs, and takes nothing new.

    That takes effect with its next heartbeat. The id names one start of the worker.

    :raises Forbidden: for ordinary users.
    """
    requester = require_manager("drain a worker")
    found = worker_control.drain_worker(
        current_app_state(), worker_id, body["then"], requester.user_id
    )
    return t.cast(Json, _worker.dump(found))


@responds(WorkerSchema())
def resume_worker(worker_id: str) -> Json:
    """Let a worker that is drained take tasks again.

    :raises Forbidden: for ordinary users.
    """
    requester = require_manager("resume a worker")
    found = worker_control.resume_worker(current_app_state(), worker_id, requester.user_id)
    return t.cast(Json, _worker.dump(found))


def add_routes(blueprint: Blueprint) -> None:
    """Add the routes to *blueprint*."""
    blueprint.get("/workers")(list_workers)
    blueprint.post("/workers/<worker_id>/drain")(drain_worker)
    blueprint.post("/workers/<worker_id>/resume")(resume_worker)
