"""The answer of a model."""

from __future__ import annotations

import dataclasses
import typing as t

ToolCall = dict[str, t.Any]
"""``{"id", "type": "function", "index", "function": {"name", "arguments"}}``; the arguments are the
text that the model has written."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model has answered, without its thinking."""

    text: str
    tool_calls: list[ToolCall]
    refusal: str
    """Why the model refuses to answer, in its own words; empty if it does not."""
    finish_reason: str | None
    usage: dict[str, int]
    """The reported tokens, in OpenAI's terms; empty if none were reported."""
    id: str | None
