"""Read the form with which somebody answers an input request."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping

from ..errors import InvalidRequest
from ..errors import Problem
from ..statuses import Decision
from ..statuses import InputKind
from .argument_fields import read_fields

Json = dict[str, t.Any]


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
    if decision == Decision.RESPOND and "choice" in entered:
        return {"text": entered["choice"]}
    if decision != Decision.EDIT:
        words = entered.get("text", "").strip()
        return {"text": words} if words else {}
    if asked["kind"] == InputKind.APPROVAL:
        return {"arguments": read_fields(asked["schema"], asked["arguments"] or {}, entered)}
    edited = entered.get("edited", "")
    return {"text": edited} if asked["schema"] is None else {"value": _as_object(edited)}


def _as_object(text: str) -> Json:
    """Return the object that was written as JSON.

    :raises InvalidRequest: if it is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        detail = "The answer of this step is an object; write it as JSON."
        raise InvalidRequest(detail, [Problem("/value", "invalid-answer", detail)])
    return t.cast(Json, value)
