"""Views of the dashboard: its pages, and the actions of their buttons."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import redirect
from flask import request
from flask import Response
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..errors import WrongState
from ..scheduling.queue_position import queue_position
from ..schemas import CancelRequestSchema
from ..schemas import load
from ..services.async_execution_service import AsyncExecutionService
from ..services.waiting import lacks_worker
from ..statuses import RETRYABLE
from ..statuses import TERMINAL
from ..storage.ownership import belongs_to
from ..web.authentication import current_identity
from . import call_views
from . import components
from . import graph_views
from . import import_views
from . import input_views
from . import list_views
from . import operations_views
from . import rerun_views
from . import run_views
from . import several_views
from . import webhook_views
from .event_descriptions import describe
from .graph_crew import manager_of
from .graph_layout import draw
from .input_views import decisions_of_execution
from .input_views import NO_REQUESTS
from .input_views import requests_of_execution
from .queries import ExecutionView
from .queries import read_execution
from .result_view import view_result
from .templating import render
from .timeline import make_timeline
from .usage_views import show_usage
from .webhook_views import deliveries_of_execution

Json = dict[str, t.Any]

_executions: t.Final = AsyncExecutionService()


def index() -> ResponseReturnValue:
    """Redirect to the list of executions."""
    return redirect(url_for(".list_executions"))


def show_execution(execution_id: str) -> str:
    """Show an execution; its page updates itself."""
    return _render_execution("execution.html", execution_id)


def show_live(execution_id: str) -> str:
    """Show only the parts of an execution's page that are updated."""
    return _render_execution("live.html", execution_id)


def download_result(execution_id: str) -> Response:
    """Send the whole result as a file of text."""
    result = _executions.get_result(execution_id, current_identity())
    response = Response(result["raw"], mimetype="text/plain")
    name = "result.json" if result["json"] is not None else "result.md"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def cancel_execution(execution_id: str) -> ResponseReturnValue:
    """Cancel an execution, and redirect to its page."""
    requester = current_identity()
    body = load(CancelRequestSchema(), {"reason": request.form.get("reason") or None})
    if not _executions.cancel_task(execution_id, requester, by=requester.user_id, **body):
        raise WrongState("The execution has ended already; there is nothing to cancel.")
    return redirect(url_for(".show_execution", execution_id=execution_id), 303)


def _render_execution(template: str, execution_id: str) -> str:
    requester = current_identity()
    view = read_execution(current_app_state(), execution_id, requester)
    deliveries = deliveries_of_execution(execution_id, requester)
    is_active = view.execution.status not in TERMINAL
    asked = requests_of_execution(execution_id, requester) if is_active else NO_REQUESTS
    may_fork = belongs_to(view.execution, requester)
    people = {**asked, "decisions": decisions_of_execution(view.execution.id)}
    return render(
        template, requester, **_values(view), **people, may_fork=may_fork, deliveries=deliveries
    )


def _values(view: ExecutionView) -> dict[str, t.Any]:
    graph, status = view.graph, view.execution.status
    timeline = make_timeline(view)
    currency = current_app_state().settings.currency
    return {
        "execution": view.execution,
        "result": view_result(view.result),
        "queue_position": queue_position(current_app_state(), view.execution),
        "lacks_worker": lacks_worker(current_app_state(), view.execution),
        "drawing": graph and draw(graph, view.steps, view.calls),
        "manager": graph and manager_of(graph),
        "coworkers": [agent.role for agent in graph.coworkers] if graph else [],
        "timeline": timeline,
        "rows": timeline.rows,
        "history": [describe(event, currency) for event in reversed(view.events)],
        "is_active": status not in TERMINAL,
        "may_retry": status in RETRYABLE,
        "is_out_of_budget": rerun_views.is_out_of_budget(view.execution),
        "limit_names": rerun_views.LIMITS,
    }


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages to *blueprint*."""
    one = "/executions/<execution_id>"
    blueprint.get("/")(index)
    list_views.add_routes(blueprint)
    several_views.add_routes(blueprint)
    blueprint.get(one)(show_execution)
    blueprint.get(f"{one}/live")(show_live)
    blueprint.get(f"{one}/result")(download_result)
    blueprint.post(f"{one}/cancel")(cancel_execution)
    blueprint.get("/usage")(show_usage)
    operations_views.add_routes(blueprint)
    call_views.add_routes(blueprint)
    components.add_routes(blueprint)
    rerun_views.add_routes(blueprint)
    graph_views.add_routes(blueprint)
    run_views.add_routes(blueprint)
    import_views.add_routes(blueprint)
    webhook_views.add_routes(blueprint)
    input_views.add_routes(blueprint)
