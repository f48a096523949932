"""Inputs of CrewAI's crews, which are defaults."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from ..graph import AgentNode
from ..graph import TaskNode
from ..input_values import RESERVED
from ..placeholders import find_placeholders
from ..placeholders import is_name
from ..problem_messages import child
from ..problem_messages import quote
from .draft import Draft
from .import_result import Json
from .import_result import Place

_TEXTS: t.Final = {"agent": AgentNode.TEXTS, "task": TaskNode.TEXTS}


def declare_inputs(defaults: Mapping[str, object], place: Place, draft: Draft) -> None:
    """Declare inputs with *defaults*, and all others that the texts of *draft* use.

    They have no types, because CrewAI accepts any value for any input.
    """
    declared: dict[str, Json] = {}
    for name, value in defaults.items():
        if reason := _why_left_out(name, value):
            draft.add_note(place / name, "left-out", reason, "info")
            continue
        declared[name] = {"default": value}
        pointer = child("/inputs", name)
        draft.origins[pointer] = draft.origins[f"{pointer}/default"] = place / name
    if declared:
        others = [name for name in _used(draft) if name not in declared]
        draft.top["inputs"] = {**declared, **{name: {} for name in others}}
        draft.origins["/inputs"] = place


def _why_left_out(name: str, value: object) -> str | None:
    if name in RESERVED or not is_name(name):
        return f"{quote(name)} is not a valid name of an input, so it is left out."
    if value is None:
        return f"Null is not a default, so {quote(name)} must be sent if a text uses it."
    return None


def _used(draft: Draft) -> list[str]:
    """Return the names of the placeholders in the texts, in the order of their first use."""
    texts = (text for node in draft.document["nodes"] for text in _texts_of(node))
    found = (find_placeholders([text]) for text in texts if isinstance(text, str))
    return [*dict.fromkeys(name for names in found for name in names)]


def _texts_of(node: Json) -> Iterator[object]:
    data = node["data"]
    yield from (data.get(name) for name in _TEXTS.get(node["type"], ()))
    yield from (rule.get("text") for rule in data.get("guardrails", ()))
