"""Format executions and events as lines of text."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

from ..text import truncate
from .escaping import escape
from .escaping import exact
from .escaping import one_line

Json = dict[str, t.Any]

_INDENT: t.Final = "    "
_MAX_CONTENT: t.Final = 500
"""How much of a request or an answer is shown; JSON has all of it."""
_UNITS: t.Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def span(seconds: float) -> str:
    """Return a duration in the largest unit that fits: ``"12 s"``, ``"3 min"``."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def event_line(event: Json) -> str:
    """Return an event on one line: number, time, type and data."""
    data = "  ".join(f"{key}={_value(value)}" for key, value in event["data"].items())
    head = f"{event['seq']:>4}  {moment(event['created_at'])}  {event['type']:<20}"
    return f"{head}  {one_line(data)}".rstrip()


def call_lines(calls: list[Json]) -> Iterator[str]:
    """Yield one line for each call, and below it the beginnings of what was new and its answer."""
    for call in calls:
        head = f"{call['number']:>4}  {moment(call['started_at'])}  {call['kind']:<5}"
        yield f"{head}  {_call_summary(call)}"
        for key in ("request", "answer"):
            if call[key] is not None:
                yield f"{_INDENT}{key}: {truncate(one_line(_value(call[key])), _MAX_CONTENT)}"


def _call_summary(call: Json) -> str:
    code = f" ({call['error']['code']})" if call["error"] else ""
    marks = [name for name in ("altered", "cut") if call[name]]
    tokens = [f"{call['usage']['total_tokens']} tokens"] if call["kind"] == "model" else []
    return "  ".join([one_line(f"{call['name']} {call['status']}{code}"), *tokens, *marks])


def input_request_lines(requests: list[Json]) -> Iterator[str]:
    """Yield the input requests, each with all that is to be decided about."""
    for request in requests:
        state = request["decision"] or request["status"]
        head = f"{request['id']}  {state:<9}  {moment(request['created_at'])}"
        step = one_line(request["step_name"])
        yield f"{head}  {request['kind']}: {step}, round {request['round']}"
        yield f"{_INDENT}execution: {request['execution_id']} of {one_line(request['graph_name'])}"
        yield f"{_INDENT}decisions: {', '.join(request['decisions'])}"
        yield f"{_INDENT}asks: {_asks(request) or 'the owner of the execution'}"
        if request["expires_at"] and request["status"] == "open":
            then = request["on_expiry"]
            yield f"{_INDENT}expires: {moment(request['expires_at'])}, then: {then}"
        if request["answered_by"]:
            bypass = ", a manager who was not asked" if request["bypassed"] else ""
            yield f"{_INDENT}answered by: {one_line(request['answered_by'])}{bypass}"
        for key in ("message", "problem"):
            if request[key]:
                yield f"{_INDENT}{key}: {exact(one_line(request[key]))}"
        if request["arguments"] is not None:
            call = f"{request['tool']} {_value(request['arguments'])}"
            yield f"{_INDENT}call: {exact(call)}"
        if choices := (request["schema"] or {}).get("enum"):
            shown = (exact(one_line(choice)) for choice in choices)
            yield f"{_INDENT}choices: {', '.join(shown)}"
        if request["draft"]:
            yield from (_INDENT + line for line in exact(request["draft"]["text"]).splitlines())


def _asks(request: Json) -> str:
    """Return whom a request asks; empty for the owner of the execution."""
    named = request["assignees"]
    users = [one_line(each) for each in named["users"]]
    roles = [f"role {one_line(each)}" for each in named["roles"]]
    others = ["not the owner"] if request["four_eyes"] else []
    if request["four_eyes"] and request["edited_by"]:
        others.append(f"not {one_line(request['edited_by'])}")
    return ", ".join([*users, *roles, *others])


def status_lines(execution: Json) -> Iterator[str]:
    """Yield the details of an execution, with its steps and result."""
    for label, text in _facts(execution):
        if text:
            yield f"{label:<10} {one_line(text)}"
    for step in execution["steps"]:
        name, agent = (one_line(step[key] or "") for key in ("name", "agent"))
        origin = f" ({step['origin']})" if step["origin"] else ""
        did = f"{step['status']}{origin}: {name}, by {agent or '?'}"
        yield f"{'Step':<10} {step['position'] + 1}. {did}"
    for request in execution["input_requests"]:
        yield f"{'Waits for':<10} an answer to the input request {request}"
    if execution["result_omitted"]:
        yield "Result     is too large to be shown."
    if execution["result"]:
        yield "Result"
        yield from (_INDENT + line for line in escape(execution["result"]["raw"]).splitlines())


def _facts(execution: Json) -> Iterator[tuple[str, str]]:
    yield "Execution", execution["id"]
    yield "Status", execution["status"]
    yield "Attempt", str(execution["attempt"])
    yield "User", execution["user_id"]
    yield "Thread", execution["thread_id"] or ""
    yield "Graph", "{graph_name}, version {graph_version}, {graph_id}".format_map(execution)
    yield "Fork of", execution["forked_from"] or ""
    yield "Priority", str(execution["priority"])
    yield "Progress", _progress(execution["progress"])
    for key in ("created", "started", "deadline", "next_attempt", "finished"):
        at = execution.get(f"{key}_at", execution.get(key))
        yield key.replace("_", " ").capitalize(), moment(at) if at else ""
    yield "Usage", "{llm_calls} model calls, {total_tokens} tokens".format_map(execution["usage"])
    if error := execution["error"]:
        yield "Error", "{code}: {message} ({correlation_id})".format_map(error)
    if cancellation := execution["cancellation"]:
        yield "Cancelled", _cancellation(cancellation)


def _progress(progress: Json) -> str:
    done = "{finished_steps} of {total_steps} steps".format_map(progress)
    now = "; now '{current_step}' by {current_agent}".format_map(progress)
    return done + (now if progress["current_step"] else "")


def _cancellation(cancellation: Json) -> str:
    by, reason = cancellation["by"], cancellation["reason"]
    requested = f"requested at {moment(cancellation['requested_at'])}"
    return requested + (f" by {by}" if by else "") + (f": {reason}" if reason else "")


def moment(iso: str) -> str:
    """Return a moment in UTC from a schema's text, to the second."""
    return iso[:19].replace("T", " ") + "Z"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
