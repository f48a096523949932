"""Routes for operators: queues, usage, health, metrics and the OpenAPI document."""

from __future__ import annotations

import hmac
import typing as t
from collections.abc import Mapping

from flask import Blueprint
from flask import current_app
from flask import request
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..messaging.broker import queue_depths
from ..schemas import DayUsageSchema
from ..schemas import HealthQuerySchema
from ..schemas import HealthSchema
from ..schemas import OpenApiSchema
from ..schemas import PauseChangeSchema
from ..schemas import PauseRequestSchema
from ..schemas import QueuePauseSchema
from ..schemas import QueueReportSchema
from ..schemas import UsageQuerySchema
from ..schemas import UsageReportSchema
from ..schemas import UsageSchema
from ..schemas import WorkerSchema
from ..services.queue_pauses import pause_queue as pause
from ..services.queue_pauses import resume_queue as resume
from ..services.readiness import Check
from ..services.readiness import check_all
from ..services.readiness import is_ready
from ..services.readiness import OK
from ..services.worker_control import list_workers
from ..storage.queue_pause import read_pause
from ..storage.queue_stats import count_on_hold
from ..storage.queue_stats import read_open_inputs
from ..storage.usage_report import daily_usage
from ..storage.usage_report import DailyUsage
from .authentication import authenticate
from .authentication import current_identity
from .authentication import require_manager
from .problems import NotInstalled
from .view_contracts import documents_response
from .view_contracts import reads
from .view_contracts import responds

Json = dict[str, t.Any]

_usage: t.Final = UsageSchema()
_day_usage: t.Final = DayUsageSchema(exclude=[*_usage.fields])
_pause: t.Final = QueuePauseSchema()
_pause_change: t.Final = PauseChangeSchema()
_workers: t.Final = WorkerSchema(many=True)


@responds(QueueReportSchema())
def show_queues() -> Json:
    """Show the length of each queue by priority, the live workers, and what does not work.

    :raises Forbidden: for ordinary users, since this is about all users' executions.
    """
    require_manager("see the queues")
    app_state = current_app_state()
    paused = read_pause(app_state)
    workers = [each for each in list_workers(app_state) if each.is_alive]
    inputs = read_open_inputs(app_state)
    return {
        "queues": queue_depths(app_state),
        "on_hold": count_on_hold(app_state),
        "pause": None if paused is None else _pause.dump(paused),
        "input_requests": {"open": inputs.open, "oldest_seconds": inputs.oldest},
        "workers": _workers.dump(workers),
        "problems": _problems(check_all(app_state)),
    }


@responds(PauseChangeSchema())
@reads(PauseRequestSchema())
def pause_queue(body: Json) -> Json:
    """Pause the queue: no execution starts until it is resumed. What runs goes on.

    Submissions are accepted, and wait. If the queue is paused already, that pause stays as it is.

    :raises Forbidden: for ordinary users.
    """
    requester = require_manager("pause the queue")
    changed = pause(current_app_state(), requester.user_id, body["reason"])
    return t.cast(Json, _pause_change.dump(changed))


@responds(PauseChangeSchema())
def resume_queue() -> Json:
    """Resume the queue: what waits is started.

    :raises Forbidden: for ordinary users.
    """
    requester = require_manager("resume the queue")
    return t.cast(Json, _pause_change.dump(resume(current_app_state(), requester.user_id)))


@responds(UsageReportSchema())
@reads(UsageQuerySchema(), "query")
def show_usage(query: Json) -> Json:
    """Show usage by day, and by user, graph or model; ordinary users see only their own."""
    rows = daily_usage(current_app_state(), current_identity(), **query)
    return {"usage": [_usage_row(row) for row in rows]}


def _usage_row(row: DailyUsage) -> Json:
    return {**t.cast(Json, _day_usage.dump(row)), **t.cast(Json, _usage.dump(row.usage))}


@responds(HealthSchema())
def live() -> Json:
    """Report that this web process answers."""
    return {"status": OK.result}


@documents_response(HealthSchema(), 200, 503)
@reads(HealthQuerySchema(), "query")
def ready(query: Json) -> tuple[Json, int]:
    """Report whether this web process can queue executions; 503 if not.

    Whether workers would run them is reported, too; ``require=workers`` makes it count.
    """
    app_state = current_app_state()
    checks = check_all(app_state)
    ready = is_ready(app_state, checks, with_workers=query["require"] == "workers")
    return {
        "status": OK.result if ready else "unavailable",
        "checks": {name: check.result for name, check in checks.items()},
        "problems": _problems(checks),
    }, 200 if ready else 503


def _problems(checks: Mapping[str, Check]) -> list[Json]:
    """Return the checks that failed, with what is wrong and what operators do about it."""
    return [
        {"check": name, "detail": check.detail, "remedy": check.remedy}
        for name, check in checks.items()
        if not check.passed
    ]


@documents_response(OpenApiSchema(), 200)
def openapi() -> Json:
    """Describe these routes as OpenAPI 3.1."""
    # Imported here, since it needs what few web processes do.
    from .openapi import describe

    return describe(current_app, server=request.script_root or "/")


@documents_response(None, 200, media="text/plain")
@documents_response(None, 200, media="application/openmetrics-text")
def metrics() -> ResponseReturnValue:
    """Export the metrics of the service for Prometheus.

    :raises Unauthorized: if the request has neither the token nor a user.
    :raises Forbidden: for ordinary users, since they are about all users' executions.
    :raises NotInstalled: if prometheus-client is not installed.
    """
    if not _is_scraper():
        authenticate()
        require_manager("see the metrics")
    try:
        from .metrics import render
    except ModuleNotFoundError as error:
        raise NotInstalled(
            "The metrics need prometheus-client. Install the extra 'metrics':"
            " pip install 'Flask-CrewExec[metrics]'."
        ) from error
    text, content_type = render(request.headers.get("Accept", ""))
    return text, {"Content-Type": content_type, "Cache-Control": "no-store"}


def _is_scraper() -> bool:
    """Return whether the request has ``CREWEXEC_METRICS_TOKEN`` as its bearer token."""
    expected = current_app_state().settings.metrics_token
    given = request.authorization
    if expected is None or given is None or given.type != "bearer":
        return False
    return hmac.compare_digest((given.token or "").encode(), expected.encode())


def add_routes(blueprint: Blueprint) -> None:
    """Add the routes that need a user to *blueprint*."""
    blueprint.get("/queues")(show_queues)
    blueprint.post("/queues/pause")(pause_queue)
    blueprint.post("/queues/resume")(resume_queue)
    blueprint.get("/usage")(show_usage)


def add_openapi_route(blueprint: Blueprint) -> None:
    """Add the route of the OpenAPI document to *blueprint*."""
    blueprint.get("/openapi.json")(openapi)


def add_health_routes(blueprint: Blueprint) -> None:
    """Add the routes that are open to all, for instance load balancers, to *blueprint*."""
    blueprint.get("/health/live")(live)
    blueprint.get("/health/ready")(ready)


def add_metrics_route(blueprint: Blueprint) -> None:
    """Add the route that authenticates scrapers itself, since they are not users."""
    blueprint.get("/metrics")(metrics)
