"""Routes for operators: queues, health, and the description of the routes themselves."""

from __future__ import annotations

import hmac
import typing as t

from flask import Blueprint
from flask import current_app
from flask import request
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..messaging.broker import queue_depths
from ..schemas import HealthSchema
from ..schemas import QueuesSchema
from ..schemas import UsageQuerySchema
from ..schemas import UsageReportSchema
from ..schemas import WorkerSchema
from ..storage.queue_stats import count_on_hold
from ..storage.usage_report import daily_usage
from ..storage.workers import live_workers
from .authentication import authenticate
from .authentication import current_identity
from .health import OK
from .health import readiness
from .openapi import describe
from .problems import Forbidden
from .problems import NotInstalled
from .view_contracts import documents_response
from .view_contracts import reads
from .view_contracts import responds

Json = dict[str, t.Any]

_workers: t.Final = WorkerSchema(many=True)


@responds(QueuesSchema())
def show_queues() -> Json:
    """Show how much waits in each queue, by priority, and which workers are alive.

    :raises Forbidden: for ordinary users: it tells of everybody's work.
    """
    if not current_identity().may_manage_others:
        raise Forbidden("Only users who may manage others' executions see the queues.")
    app_state = current_app_state()
    workers = _workers.dump(live_workers(app_state))
    return {
        "queues": queue_depths(app_state),
        "on_hold": count_on_hold(app_state),
        "workers": workers,
    }


@responds(UsageReportSchema())
@reads(UsageQuerySchema(), "query")
def show_usage(query: Json) -> Json:
    """Show what users have used, by day; ordinary users see their own usage."""
    return {"usage": daily_usage(current_app_state(), current_identity(), **query)}


@responds(HealthSchema())
def live() -> Json:
    """Say that this web process answers."""
    return {"status": OK}


@documents_response(HealthSchema(), 200, 503)
def ready() -> tuple[Json, int]:
    """Say whether executions can be queued and will run; 503 if not."""
    checks = readiness(current_app_state())
    fine = all(state == OK for state in checks.values())
    return {"status": OK if fine else "unavailable", "checks": checks}, 200 if fine else 503


@documents_response(None, 200, media="application/json")
def openapi() -> Json:
    """Describe these routes as OpenAPI 3.1."""
    return describe(current_app)


@documents_response(None, 200, media="text/plain")
@documents_response(None, 200, media="application/openmetrics-text")
def metrics() -> ResponseReturnValue:
    """Show the figures of the service, for Prometheus.

    :raises Unauthorized: for nobody.
    :raises Forbidden: for ordinary users: they tell of everybody's work.
    :raises NotInstalled: without prometheus-client.
    """
    if not _is_scraper():
        authenticate()
        if not current_identity().may_manage_others:
            raise Forbidden("Only users who may manage others' executions see the metrics.")
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
    """Return whether the request brings ``CREWEXEC_METRICS_TOKEN``."""
    expected = current_app_state().settings.metrics_token
    given = request.authorization
    if expected is None or given is None or given.type != "bearer":
        return False
    return hmac.compare_digest((given.token or "").encode(), expected.encode())


def add_routes(blueprint: Blueprint) -> None:
    """Mount the routes that ask who you are."""
    blueprint.get("/queues")(show_queues)
    blueprint.get("/usage")(show_usage)
    blueprint.get("/openapi.json")(openapi)


def add_health_routes(blueprint: Blueprint) -> None:
    """Mount the routes that anybody may ask, such as a load balancer."""
    blueprint.get("/health/live")(live)
    blueprint.get("/health/ready")(ready)


def add_metrics_route(blueprint: Blueprint) -> None:
    """Mount the route that asks itself who you are, since scrapers are no users."""
    blueprint.get("/metrics")(metrics)
