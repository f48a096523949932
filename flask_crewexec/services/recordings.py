"""The calls of an execution as a document from which a test replays them.

Version 1 of the document is described in ``docs/howto/testing.rst``. A version may get further
fields; what older readers would misunderstand needs a new one.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from sqlalchemy.orm import load_only

from ..app_state import AppState
from ..errors import WrongState
from ..observability.tool_call_forms import CLASS
from ..observability.tool_call_forms import read_tool_call
from ..statuses import CallKind
from ..statuses import InputStatus
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import Id
from ..storage.execution_queries import steps_of
from ..storage.ownership import Requester
from .call_pages import read_all_calls
from .input_requests import read_all

Json = dict[str, t.Any]

FORMAT: t.Final = "flask-crewexec-recording"
VERSION: t.Final = 1
_NO_CALLS: t.Final = (
    "No calls of this execution are stored: it has made none, 'CREWEXEC_CALL_LOG' is \"off\", or"
    " 'CREWEXEC_KEEP_CALLS_FOR' is over."
)
_NO_CONTENTS: t.Final = (
    "What was said in this execution is not stored, or not for you to see: set 'CREWEXEC_CALL_LOG'"
    ' to "content", and run it again.'
)
_COMMON: t.Final = ("number", "kind", "agent", "name", "status", "error")
_ANSWERED: t.Final = ("kind", "step_name", "tool", "round", "decision")


def record(app_state: AppState, execution_id: Id, requester: Requester) -> Json:
    """Return the calls of an execution, its graph and inputs, and what people have answered.

    :raises NotFound: if there is no such execution, or not for *requester*.
    :raises WrongState: if what was said is not stored, or *requester* must not see it.
    """
    models = app_state.models
    with app_state.database.read_session() as session:
        execution = find_execution(session, models, execution_id, requester)
        key = (execution.graph_id, execution.graph_version)
        graph = session.get_one(models.graph_version, key).document
        names = load_only(models.step.position, models.step.name)
        steps = {
            step.position: step.name for step in steps_of(session, models, execution.id, names)
        }
    calls = list(read_all_calls(app_state, execution_id, requester))
    _require_contents(calls)
    return {
        "format": FORMAT,
        "version": VERSION,
        "execution": str(execution.id),
        "user_id": execution.owner_id,
        "status": execution.status,
        "graph": graph,
        "inputs": execution.inputs,
        "incomplete": list(_omissions(calls)),
        "calls": [_recorded(call, steps) for call in calls],
        "answers": list(_answers(app_state, execution_id, requester)),
    }


def _require_contents(calls: Sequence[Json]) -> None:
    """Check that there is something to replay.

    :raises WrongState: if there is not.
    """
    if not calls:
        raise WrongState(_NO_CALLS)
    models = [call for call in calls if call["kind"] == CallKind.MODEL]
    if models and all(call["messages"] is None for call in models):
        raise WrongState(_NO_CONTENTS)


def _recorded(call: Json, steps: Mapping[int, str]) -> Json:
    """Return a call as a recording contains it."""
    common = {"step": steps.get(call["step"]), **{name: call[name] for name in _COMMON}}
    answer = call["answer"] or {}
    if call["kind"] == CallKind.MODEL:
        return {**common, **_model_call(call)}
    if call["kind"] == CallKind.TOOL:
        return {**common, **(call["request"] or {}), "text": answer.get("text")}
    return {**common, "verdict": answer.get("verdict")}


def _model_call(call: Json) -> Json:
    tokens = {name: call["usage"][name] for name in ("prompt_tokens", "completion_tokens")}
    return {"messages": call["messages"], "answer": _answer(call["answer"]), "usage": tokens}


def _answer(stored: Json | None) -> Json | None:
    """Return an answer in a form that is the same for all providers; None if there is none."""
    if stored is None:
        return None
    value, reason = stored["value"], {"finish_reason": stored["finish_reason"]}
    parts = [read_tool_call(part) for part in value] if isinstance(value, list) else []
    calls = [{"name": part.name, "arguments": _parsed(part.arguments)} for part in parts if part]
    return {"tool_calls": calls, **reason} if calls else {"text": _text(value), **reason}


def _parsed(arguments: t.Any) -> t.Any:
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments


def _text(value: t.Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value["value"] if isinstance(value, dict) and CLASS in value else value)


def _omissions(calls: Sequence[Json]) -> Iterator[str]:
    """Yield what the calls lack, in sentences."""
    for call in calls:
        what = f"Call {call['number']} ({call['kind']} '{call['name']}')"
        if call["cut"]:
            yield f"{what} is larger than what is stored of a call; parts are left out."
        elif call["kind"] == CallKind.MODEL and call["messages"] is None:
            yield f"{what} lacks messages, because a call before it is not stored as a whole."
        if call["altered"]:
            yield f"{what} contained something that is replaced, such as a secret."


def _answers(app_state: AppState, id: Id, requester: Requester) -> Iterator[Json]:
    """Yield what people have answered, in the order in which it was asked."""
    answered = InputStatus.ANSWERED.value
    found = read_all(app_state, requester, status=answered, execution_id=id)
    for request in reversed([*found]):
        yield {**{name: request[name] for name in _ANSWERED}, **(request["answer"] or {})}
