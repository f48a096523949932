"""Routes for operators: queues, health, and the description of the routes themselves."""

from __future__ import annotations

import hmac
import typing as t

from flask import Blueprint
from flask import current_app
from flask import request
from flask.typing import ResponseReturnValue

from ..binding import current_binding
from ..celery_app import queue_depths
from ..schemas import HealthSchema
from ..schemas import QueuesSchema
from ..schemas import UsageQuerySchema
from ..schemas import UsageReportSchema
from ..schemas import WorkerSchema
from ..usage import usage_by_day
from ..workload import count_held
from .health import live_workers
from .health import OK
from .health import readiness
from .identity import current_identity
from .identity import identify
from .openapi import describe
from .parsing import accepts
from .parsing import answers
from .parsing import documents
from .problems import Forbidden
from .problems import NotInstalled

Json = dict[str, t.Any]

_workers: t.Final = WorkerSchema(many=True)


@answers(QueuesSchema())
def show_queues() -> Json:
    """Show how much waits in each queue, by priority, and which workers are alive.

    :raises Forbidden: for ordinary users: it tells of everybody's work.
    """
    if not current_identity().may_manage_others:
        raise Forbidden("Only users who may manage others' executions see the queues.")
    binding = current_binding()
    workers = _workers.dump(live_workers(binding))
    return {"queues": queue_depths(binding), "held": count_held(binding), "workers": workers}


@answers(UsageReportSchema())
@accepts(UsageQuerySchema(), "query")
def show_usage(query: Json) -> Json:
    """Show what users have used, by day; ordinary users see their own usage."""
    return {"usage": usage_by_day(current_binding(), current_identity(), **query)}


@answers(HealthSchema())
def live() -> Json:
    """Say that this web process answers."""
    return {"status": OK}


@documents(HealthSchema(), 200, 503)
def ready() -> tuple[Json, int]:
    """Say whether executions can be queued and will run; 503 if not."""
    checks = readiness(current_binding())
    fine = all(state == OK for state in checks.values())
    return {"status": OK if fine else "unavailable", "checks": checks}, 200 if fine else 503


@documents(None, 200, media="application/json")
def openapi() -> Json:
    """Describe these routes as OpenAPI 3.1."""
    return describe(current_app)


@documents(None, 200, media="text/plain")
@documents(None, 200, media="application/openmetrics-text")
def metrics() -> ResponseReturnValue:
    """Show the figures of the service, for Prometheus.

    :raises Unauthorized: for nobody.
    :raises Forbidden: for ordinary users: they tell of everybody's work.
    :raises NotInstalled: without prometheus-client.
    """
    if not _is_scraper():
        identify()
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
    expected = current_binding().settings.metrics_token
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
