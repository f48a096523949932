"""What a model wants of a tool, in the forms of the providers."""

from __future__ import annotations

import typing as t

CLASS: t.Final = "__class__"
"""Key of the name of its class in a stored object of a provider's library."""


class ToolCallForm(t.NamedTuple):
    """A tool call of an answer."""

    id: str | None
    name: str
    arguments: t.Any
    """A text of JSON, or what that means."""


def read_tool_call(value: t.Any) -> ToolCallForm | None:
    """Return the tool call that a part of an answer stands for; None if it is none."""
    if not isinstance(value, dict):
        return None
    if CLASS in value:
        return read_tool_call(value.get("value"))
    function = value.get("function") or value.get("function_call") or value
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    for key in ("arguments", "input", "args"):
        if key in function:
            return ToolCallForm(value.get("id"), function["name"], function[key])
    return None
