"""Views of calls. The page of an execution fetches parts of these pages when they are opened."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import request

from ..app_state import current_app_state
from ..schemas import MAX_CALLS
from ..services.async_execution_service import AsyncExecutionService
from ..services.call_pages import read_call
from ..services.call_pages import sees_content
from ..web.authentication import current_identity
from .call_contents import all_messages
from .call_contents import answer_texts
from .call_contents import argument_texts
from .call_contents import new_messages
from .call_descriptions import describe_error
from .call_descriptions import describe_line
from .call_descriptions import is_withheld
from .queries import read_calls_view
from .templating import render

_RANGE: t.Final = ("step", "after")

_executions: t.Final = AsyncExecutionService()


def list_calls(execution_id: str) -> str:
    """List the calls of a step, or of the whole execution, without what was said."""
    requester, currency = current_identity(), current_app_state().settings.currency
    given: dict[str, t.Any] = {name: request.args[name] for name in _RANGE if name in request.args}
    view = read_calls_view(current_app_state(), execution_id, requester)
    calls = _executions.get_calls(execution_id, requester, limit=MAX_CALLS, content=False, **given)
    position = int(given["step"]) if "step" in given else None
    return render(
        "calls.html",
        requester,
        view=view,
        position=position,
        step_names={number: step.name for number, step in view.steps.items()},
        calls=[describe_line(call, currency) for call in calls],
        is_first="after" not in given,
        more=calls[-1]["number"] if len(calls) == MAX_CALLS else None,
        may_go_on=view.may_go_on(position),
    )


def show_call(execution_id: str, number: str) -> str:
    """Show a call, with what was new in the prompt of a model."""
    return _render_call("call.html", execution_id, number, whole=False)


def show_prompt(execution_id: str, number: str) -> str:
    """Show all messages with which a model was called."""
    return _render_call("prompt.html", execution_id, number, whole=True)


def _render_call(template: str, execution_id: str, number: str, *, whole: bool) -> str:
    requester, app_state = current_identity(), current_app_state()
    view = read_calls_view(app_state, execution_id, requester)
    call = read_call(app_state, execution_id, number, requester, whole=whole)
    return render(
        template,
        requester,
        view=view,
        call=call,
        line=describe_line(call, app_state.settings.currency),
        error=describe_error(call),
        messages=all_messages(call) if whole else new_messages(call),
        arguments=argument_texts(call),
        answers=answer_texts(call),
        sees_content=sees_content(app_state, view.execution.owner_id, requester),
        is_withheld=is_withheld(call),
    )


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages of calls to *blueprint*."""
    calls = "/executions/<execution_id>/calls"
    blueprint.get(calls)(list_calls)
    blueprint.get(f"{calls}/<number>")(show_call)
    blueprint.get(f"{calls}/<number>/prompt")(show_prompt)
