"""The page for those who operate the service, and its buttons; for managers."""

from __future__ import annotations

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..errors import BrokerUnavailable
from ..messaging.broker import queue_depths
from ..services import queue_pauses
from ..services import worker_control
from ..services.waiting import waiting_groups
from ..storage.hourly_stats import Hour
from ..storage.hourly_stats import read_hours
from ..storage.queue_pause import read_pause
from ..storage.queue_stats import count_active
from ..storage.queue_stats import count_on_hold
from ..web.authentication import require_manager
from . import charts
from .look import current_look
from .templating import render


def show_operations() -> str:
    """Show what is wrong, why executions wait, workers with what they run, and the last day.

    :raises Forbidden: for ordinary users, since this is about all users' executions.
    """
    requester, app_state = require_manager("operate the service"), current_app_state()
    hours = [_as_local(hour) for hour in read_hours(app_state)]
    return render(
        "operations.html",
        requester,
        pause=read_pause(app_state),
        counts=count_active(app_state),
        groups=waiting_groups(app_state),
        depths=_depths(),
        on_hold=count_on_hold(app_state),
        workers=worker_control.list_workers(app_state),
        hours=hours,
        charts={"throughput": charts.throughput(hours), "waiting": charts.waiting(hours)},
    )


def show_queues() -> ResponseReturnValue:
    """Redirect from the former page about queues to the one that has all of it.

    :raises Forbidden: for ordinary users.
    """
    require_manager("operate the service")
    return redirect(url_for(".show_operations"), 301)


def _as_local(hour: Hour) -> Hour:
    return hour._replace(begin=hour.begin.astimezone(current_look().zone))


def _depths() -> dict[str, dict[int, int]] | None:
    """Return the lengths of the queues; None while the broker is unavailable."""
    try:
        return queue_depths(current_app_state())
    except BrokerUnavailable:
        return None


def pause_queue() -> ResponseReturnValue:
    """Pause the queue, and redirect to the page."""
    requester = require_manager("pause the queue")
    reason = request.form.get("reason", "").strip() or None
    queue_pauses.pause_queue(current_app_state(), requester.user_id, reason)
    return _back()


def resume_queue() -> ResponseReturnValue:
    """Resume the queue, and redirect to the page."""
    requester = require_manager("resume the queue")
    queue_pauses.resume_queue(current_app_state(), requester.user_id)
    return _back()


def drain_worker(worker_id: str) -> ResponseReturnValue:
    """Drain a worker, and redirect to the page."""
    requester = require_manager("drain a worker")
    then = request.form.get("then", "idle")
    worker_control.drain_worker(current_app_state(), worker_id, then, requester.user_id)
    return _back()


def resume_worker(worker_id: str) -> ResponseReturnValue:
    """Let a worker take tasks again, and redirect to the page."""
    requester = require_manager("resume a worker")
    worker_control.resume_worker(current_app_state(), worker_id, requester.user_id)
    return _back()


def _back() -> ResponseReturnValue:
    return redirect(url_for(".show_operations"), 303)


def add_routes(blueprint: Blueprint) -> None:
    """Add the page and its buttons to *blueprint*."""
    blueprint.get("/operations")(show_operations)
    blueprint.get("/queues")(show_queues)
    blueprint.post("/operations/pause")(pause_queue)
    blueprint.post("/operations/resume")(resume_queue)
    blueprint.post("/operations/workers/<worker_id>/drain")(drain_worker)
    blueprint.post("/operations/workers/<worker_id>/resume")(resume_worker)
