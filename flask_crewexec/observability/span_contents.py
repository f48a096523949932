"""What was said, in the attributes of spans that OpenTelemetry's GenAI conventions name."""

from __future__ import annotations

import json
import logging
import os
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

from ..text import storable
from ..text import truncate
from .tool_call_forms import read_tool_call

MAX_CHARS: t.Final = 50_000
"""Maximum length of one text; exporters refuse batches that are too large."""
_VARIABLE: t.Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ON: t.Final = frozenset({"true", "1", "span_only", "span_and_event"})

Attributes = dict[str, str]

log = logging.getLogger(__name__)


def is_wanted_by_environment() -> bool:
    """Return whether OpenTelemetry's environment variable asks for contents of spans."""
    return os.environ.get(_VARIABLE, "").strip().lower() in _ON


class SpanContents:
    """Turns what was said into attributes.

    :param clean: returns a text without secrets and what else nobody should read.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean

    def prompt(self, messages: t.Any) -> Attributes:
        """Return the attribute of the messages of a request."""
        return self._attribute("gen_ai.input.messages", lambda: self._json(_messages(messages)))

    def answer(self, value: t.Any, finish_reason: str | None) -> Attributes:
        """Return the attribute of the answer of a model."""

        def said() -> str:
            message = {"role": "assistant", "parts": [*_parts(value)]}
            return self._json([{**message, "finish_reason": finish_reason}])

        return self._attribute("gen_ai.output.messages", said)

    def arguments(self, arguments: t.Any) -> Attributes:
        """Return the attribute of the arguments of a tool call."""
        return self._attribute("gen_ai.tool.call.arguments", lambda: self._json(arguments))

    def result(self, value: object) -> Attributes:
        """Return the attribute of the result of a tool call."""
        return self._attribute("gen_ai.tool.call.result", lambda: self._text(str(value)))

    def agent(self, role: str | None) -> Attributes:
        """Return the attribute of an agent, whose role users write."""
        return self._attribute("gen_ai.agent.name", lambda: self._text(role)) if role else {}

    @staticmethod
    def _attribute(name: str, text: Callable[[], str]) -> Attributes:
        """Return an attribute; none if that fails, since a run must not fail for its trace."""
        try:
            return {name: text()}
        except Exception:
            log.exception("A span lacks the attribute '%s'.", name)
            return {}

    def _json(self, value: t.Any) -> str:
        return json.dumps(self._cleaned(value), ensure_ascii=False, default=str)

    def _cleaned(self, value: t.Any) -> t.Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(str(key)): self._cleaned(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._cleaned(each) for each in value]
        return value if value is None or isinstance(value, int | float) else self._text(str(value))

    def _text(self, text: str) -> str:
        return truncate(self._clean(storable(text)), MAX_CHARS)


def _messages(messages: t.Any) -> list[dict[str, t.Any]]:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return [_message(message) for message in messages or ()]


def _message(message: dict[str, t.Any]) -> dict[str, t.Any]:
    role, content = message.get("role", "user"), message.get("content")
    if role == "tool":
        id = message.get("tool_call_id")
        part = {"type": "tool_call_response", "id": id, "response": content}
        return {"role": role, "parts": [part]}
    return {"role": role, "parts": [*_parts(content), *_parts(message.get("tool_calls"))]}


def _parts(value: t.Any) -> Iterator[dict[str, t.Any]]:
    """Yield the parts of a message: texts, tool calls, and what else providers know."""
    if isinstance(value, list):
        for each in value:
            yield from _parts(each)
    elif isinstance(value, dict) and value.get("type") == "text":
        yield {"type": "text", "content": value.get("text")}
    elif call := read_tool_call(value):
        yield {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
    elif isinstance(value, dict):
        yield value if isinstance(value.get("type"), str) else {"type": "other", "content": value}
    elif value is not None and value != "":
        yield {"type": "text", "content": str(value)}
