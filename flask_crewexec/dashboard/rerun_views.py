"""Views to run something again: retries with other limits, forks, and what they have changed."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..errors import InvalidRequest
from ..errors import Problem
from ..models import ExecutionMixin
from ..services.async_execution_service import AsyncExecutionService
from ..storage.ownership import belongs_to
from ..web.authentication import current_identity
from ..web.problems import Forbidden
from .queries import read_step
from .templating import render

Json = dict[str, t.Any]

LIMITS: t.Final = {
    "max_llm_calls": "Model calls",
    "max_tool_calls": "Tool calls",
    "max_tokens": "Tokens",
    "timeout": "Seconds",
}
"""Fields of forms, and what they are called."""
_BUDGET_CODES: t.Final = ("budget-exhausted", "deadline-exceeded")

_executions: t.Final = AsyncExecutionService()


def retry_execution(execution_id: str) -> ResponseReturnValue:
    """Retry an ended execution, with the limits that were entered, and redirect to its page."""
    _executions.retry(execution_id, current_identity(), **_entered_limits())
    return redirect(url_for(".show_execution", execution_id=execution_id), 303)


def is_out_of_budget(execution: ExecutionMixin) -> bool:
    """Return whether an execution has failed because a limit was used up."""
    return (execution.error or {}).get("code") in _BUDGET_CODES


def show_fork_forms(execution_id: str, position: int) -> str:
    """Show the forms with which the owner of an execution runs it again from a step.

    :raises Forbidden: for managers, since the new execution would be somebody else's.
    """
    requester = current_identity()
    execution, step = read_step(current_app_state(), execution_id, position, requester)
    if not belongs_to(execution, requester):
        raise Forbidden("Only its owner may run an execution again from a step.")
    return render("fork.html", requester, execution=execution, step=step, limit_names=LIMITS)


def fork_execution(execution_id: str) -> ResponseReturnValue:
    """Run an execution again from a step, or with another output, and redirect to the new page."""
    step, text = request.form.get("step", ""), request.form.get("output")
    forked = _executions.fork(
        execution_id,
        current_identity(),
        from_step=step if text is None else None,
        outputs=None if text is None else {step: text.replace("\r\n", "\n")},
        graph_version="latest" if "latest" in request.form else "same",
        **_entered_limits(),
    )
    return redirect(url_for(".show_execution", execution_id=forked["execution"]["id"]), 303)


def _entered_limits() -> dict[str, t.Any]:
    entered = {name: request.form.get(name, "").strip() for name in LIMITS}
    return {name: _number(name, text) for name, text in entered.items() if text}


def _number(name: str, text: str) -> float:
    if text.isdecimal() and text.isascii():
        return int(text[:_MAX_DIGITS])
    detail = f"'{LIMITS[name]}' must be a whole number."
    raise InvalidRequest(detail, [Problem(f"/{name}", "invalid", detail)])


_MAX_DIGITS: t.Final = 12
"""More than the largest limit has."""


def compare_executions(execution_id: str, other_id: str) -> str:
    """Show how another execution differs from one."""
    requester = current_identity()
    found = _executions.compare(execution_id, other_id, requester)
    return render("comparison.html", requester, found=found)


def add_routes(blueprint: Blueprint) -> None:
    """Add the views to *blueprint*."""
    one = "/executions/<execution_id>"
    blueprint.post(f"{one}/retry")(retry_execution)
    blueprint.get(f"{one}/steps/<int:position>/again")(show_fork_forms)
    blueprint.post(f"{one}/fork")(fork_execution)
    blueprint.get(f"{one}/compare/<other_id>")(compare_executions)
