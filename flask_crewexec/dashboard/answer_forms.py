"""Read the form with which somebody answers an input request."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping

from ..errors import InvalidRequest
from ..errors import Problem
from ..statuses import Decision
from ..statuses import InputKind
from ..text import is_blank
from .argument_fields import read_fields

Json = dict[str, t.Any]

_NEEDED: t.Final[Mapping[str, str]] = {
    Decision.CHANGE: "Write what is to be changed.",
    Decision.RESPOND: "Write what the agent is to be told.",
}
"""What is to be written in the field next to the buttons, by decision."""


def read_entered(form: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a form, with line breaks as they were before browsers changed them."""
    return {name: value.replace("\r\n", "\n") for name, value in form.items()}


def read_answer(asked: Json, entered: Mapping[str, str]) -> Json:
    """Return an answer as the service takes it.

    :raises InvalidRequest: if it cannot be read.
    """
    decision, bypass = entered.get("decision", ""), "bypass" in entered
    return {"decision": decision, "bypass": bypass, **_read_content(asked, entered, decision)}


def _read_content(asked: Json, entered: Mapping[str, str], decision: str) -> Json:
    if decision == Decision.RESPOND and "enum" in (asked["schema"] or {}):
        return {"text": _chosen(entered)}
    if decision != Decision.EDIT:
        words = entered.get("text", "").strip()
        if is_blank(words) and decision in _NEEDED:
            raise _invalid("/text", _NEEDED[decision])
        return {"text": words} if words else {}
    if asked["kind"] == InputKind.APPROVAL:
        return {"arguments": read_fields(asked["schema"], asked["arguments"] or {}, entered)}
    edited = entered.get("edited", "")
    if asked["schema"] is not None:
        return {"value": _as_object(edited)}
    if is_blank(edited):
        raise _invalid("/text", "Write the answer.")
    return {"text": edited}


def _chosen(entered: Mapping[str, str]) -> str:
    """Return the choice that answers a question.

    :raises InvalidRequest: if there is none.
    """
    if "choice" not in entered:
        raise _invalid("/choice", "Choose one of the answers.")
    return entered["choice"]


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Problem(pointer, "invalid-answer", detail)])


def _as_object(text: str) -> Json:
    """Return the object that was written as JSON.

    :raises InvalidRequest: if it is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _invalid("/value", "The answer of this step is an object; write it as JSON.")
    return t.cast(Json, value)
