"""Checks of the answers to input requests, before they are stored."""

from __future__ import annotations

import json
import typing as t

from ..app_state import AppState
from ..errors import InvalidRequest
from ..errors import Problem
from ..graphs import find_mismatch
from ..models import InputRequestMixin
from ..schemas.input_requests import MAX_ARGUMENTS
from ..schemas.input_requests import MAX_WORDS
from ..statuses import Decision
from ..statuses import InputKind
from ..text import is_blank

Json = dict[str, t.Any]


def check_answer(
    app_state: AppState, request: InputRequestMixin, decision: str, content: Json
) -> None:
    """Check an answer, as far as no code of the host is needed.

    :param content: what is written: ``text``, ``value`` or ``arguments``, or nothing.
    :raises InvalidRequest: if it does not fit the *request*.
    """
    if decision not in request.decisions:
        allowed = ", ".join(f"'{each}'" for each in request.decisions)
        raise _invalid("/decision", f"This request allows only {allowed}.")
    if request.kind == InputKind.APPROVAL and decision == Decision.EDIT:
        _check_arguments(request, content)
        return
    if "arguments" in content:
        detail = "Leave 'arguments' out: they belong to the decision 'edit' about a tool call."
        raise _invalid("/arguments", detail)
    _check_content(request, decision, content)
    if decision == Decision.EDIT:
        _check_edit(app_state, request, content)
    elif decision == Decision.RESPOND:
        _check_response(app_state, request, content)
    elif len(content.get("text", "")) > MAX_WORDS:
        raise _invalid("/text", f"At most {MAX_WORDS} characters are allowed.")


def _check_content(request: InputRequestMixin, decision: str, content: Json) -> None:
    """Check that an answer says what its decision needs."""
    if decision in (Decision.EDIT, Decision.RESPOND):
        if len(content) != 1:
            field = "value" if content else "text"
            raise _invalid(f"/{field}", _needed(request, decision))
        if is_blank(content.get("text", "x")):
            raise _invalid("/text", "There is nothing to see in 'text'.")
    elif "value" in content:
        detail = "Leave 'value' out: it belongs to the decisions 'edit' and 'respond'."
        raise _invalid("/value", detail)
    elif decision == Decision.CHANGE and is_blank(content.get("text", "")):
        raise _invalid("/text", "Say in 'text' what is to be changed.")


def _needed(request: InputRequestMixin, decision: str) -> str:
    """Return what an answer with an edit or a response has to contain."""
    if decision == Decision.EDIT:
        field = "text" if request.schema is None else "value"
        return f"Send the answer as '{field}', and nothing else."
    if "enum" in (request.schema or {}):
        return "Send one of the choices as 'value', and nothing else."
    return "Send what the agent is told as 'text', and nothing else."


def _check_edit(app_state: AppState, request: InputRequestMixin, content: Json) -> None:
    """Check what is written instead of the draft."""
    limit = app_state.settings.max_output_chars
    field = "value" if "value" in content else "text"
    text = content["text"] if field == "text" else json.dumps(content[field], ensure_ascii=False)
    if len(text) > limit:
        raise _invalid(f"/{field}", f"At most {limit} characters are allowed.")
    if request.schema is None:
        if field == "value":
            raise _invalid("/value", "The step has no schema; send the answer as 'text'.")
        return
    if field == "text":
        raise _invalid("/text", "The answer of this step is an object; send it as 'value'.")
    if mismatch := find_mismatch(request.schema, content["value"]):
        pointer, detail = mismatch
        raise _invalid(f"/value{pointer}", detail)


def _check_arguments(request: InputRequestMixin, content: Json) -> None:
    """Check the arguments with which a tool is to be called."""
    if content.keys() != {"arguments"}:
        raise _invalid("/arguments", "Send the 'arguments' of the call, and nothing else.")
    arguments = content["arguments"]
    if len(json.dumps(arguments, ensure_ascii=False)) > MAX_ARGUMENTS:
        raise _invalid("/arguments", f"At most {MAX_ARGUMENTS} characters are allowed.")
    if mismatch := find_mismatch(request.schema or {}, arguments):
        pointer, detail = mismatch
        raise _invalid(f"/arguments{pointer}", detail)


def _check_response(app_state: AppState, request: InputRequestMixin, content: Json) -> None:
    """Check what the model is told instead of the result of a tool."""
    field, value = next(iter(content.items()))
    choices = (request.schema or {}).get("enum")
    if choices is not None and value not in choices:
        allowed = ", ".join(f"'{each}'" for each in choices)
        raise _invalid(f"/{field}", f"Choose one of {allowed}.")
    if choices is None and field == "value":
        raise _invalid("/value", "There are no choices; send the answer as 'text'.")
    limit = app_state.settings.max_tool_output_chars
    if len(value) > limit:
        raise _invalid(f"/{field}", f"At most {limit} characters are allowed.")


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Problem(pointer, "invalid-answer", detail)])
