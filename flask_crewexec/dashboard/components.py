"""Executions on pages of the host: what its templates call, and the address of the same."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import request
from markupsafe import Markup
from sqlalchemy.orm import defer

from ..app_state import current_app_state
from ..errors import NotFound
from ..graphs import Graph
from ..identity import Identity
from ..models import ExecutionMixin
from ..models import StepMixin
from ..scheduling.queue_position import queue_position
from ..services.waiting import lacks_worker
from ..statuses import RETRYABLE
from ..statuses import StepStatus
from ..statuses import TERMINAL
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import result_excerpt
from ..storage.execution_queries import steps_of
from ..storage.execution_queries import with_graph_name
from ..web.authentication import authenticate
from ..web.authentication import current_identity
from ..web.problems import Unauthorized
from . import rerun_views
from .formatting import SHOWN_CHARS
from .graph_layout import agent_of
from .input_views import NO_REQUESTS
from .input_views import requests_of_execution
from .look import page_url
from .queries import parse_stored
from .result_view import view_result
from .templating import render

EXECUTION: t.Final = "execution"
RESULT: t.Final = "result"
KINDS: t.Final = (EXECUTION, "progress", RESULT)
"""What of an execution a component shows."""

Json = dict[str, t.Any]


class StepLine(t.NamedTuple):
    """A step as components show it."""

    position: int
    name: str
    agent: str | None
    status: str
    seconds: None = None


class Stored(t.NamedTuple):
    """What a component shows, as it is stored."""

    execution: ExecutionMixin
    steps: list[StepLine]
    result: str | None
    """The beginning of the result."""


def component(kind: str, execution_id: object) -> Markup:
    """Return an execution for a page of the host, or why the user does not see it.

    :param kind: one of ``KINDS``.
    """
    try:
        authenticate()
        return Markup(_render("component_element.html", kind, str(execution_id)))
    except (NotFound, Unauthorized) as error:
        return Markup('<p class="crewexec-refused">{}</p>').format(str(error))


def script() -> Markup:
    """Return the element that lets components of a page update themselves."""
    address = page_url(".static", filename="element.js")
    return Markup('<script type="module" src="{}"></script>').format(address)


def show_component(execution_id: str) -> str:
    """Show a component, with its stylesheet."""
    shown = request.args.get("show", EXECUTION)
    kind = shown if shown in KINDS else EXECUTION
    return _render("component_page.html", kind, execution_id)


def _render(template: str, kind: str, execution_id: str) -> str:
    requester = current_identity()
    stored = _read(kind, execution_id, requester)
    execution = stored.execution
    is_active = execution.status not in TERMINAL
    asks = kind == EXECUTION and is_active
    return render(
        template,
        requester,
        kind=kind,
        execution=execution,
        steps=stored.steps,
        result=view_result(stored.result),
        queue_position=queue_position(current_app_state(), execution),
        lacks_worker=lacks_worker(current_app_state(), execution),
        **(requests_of_execution(execution_id, requester) if asks else NO_REQUESTS),
        is_active=is_active,
        may_retry=execution.status in RETRYABLE,
        is_out_of_budget=rerun_views.is_out_of_budget(execution),
        limit_names=rerun_views.LIMITS,
    )


def _read(kind: str, execution_id: str, requester: Identity) -> Stored:
    app_state = current_app_state()
    models = app_state.models
    with app_state.database.read_session() as session:
        options = (defer(models.execution.result, raiseload=True), with_graph_name(models))
        execution = find_execution(session, models, execution_id, requester, *options)
        steps, result = [], None
        if kind == EXECUTION:
            key = (execution.graph_id, execution.graph_version)
            document = session.get_one(models.graph_version, key).document
            no_output = defer(models.step.output, raiseload=True)
            started = steps_of(session, models, execution.id, no_output)
            steps = _lines(parse_stored(document), started)
        if kind in (EXECUTION, RESULT):
            result = result_excerpt(session, models, execution.id, SHOWN_CHARS + 1)
        return Stored(execution, steps, result)


def _lines(graph: Graph | None, started: t.Sequence[StepMixin]) -> list[StepLine]:
    """Return all steps in order, also those that have not started."""
    if graph is None:
        return [StepLine(each.position, each.name, each.agent, each.status) for each in started]
    known = {each.node_id: each for each in started}
    lines = []
    for position, task in enumerate(graph.tasks):
        step = known.get(task.id)
        agent = (step.agent if step else None) or agent_of(graph, task)
        status = step.status if step else StepStatus.PENDING
        lines.append(StepLine(position, task.name, agent, status))
    return lines


def add_routes(blueprint: Blueprint) -> None:
    """Add the address of components to *blueprint*, and what the host's templates call."""
    blueprint.get("/executions/<execution_id>/component")(show_component)
    blueprint.add_app_template_global(component, "crewexec_component")
    blueprint.add_app_template_global(script, "crewexec_script")
