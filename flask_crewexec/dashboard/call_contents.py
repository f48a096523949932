"""What was said in a call, as texts with headings."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from collections.abc import Sequence

from ..observability.tool_call_forms import read_tool_call
from ..statuses import CallKind
from ..text import storable
from .formatting import pretty
from .formatting import spoken

Json = dict[str, t.Any]


class Text(t.NamedTuple):
    """A text with its heading."""

    title: str
    text: str


class Message(t.NamedTuple):
    """A message of a prompt."""

    number: int
    """From 1."""
    role: str
    is_new: bool
    texts: tuple[Text, ...]


def new_messages(call: Json) -> list[Message]:
    """Return what was new in the request of a model call."""
    start = _start(call)
    return _describe((call["request"] or {}).get("messages", ()), start, start)


def all_messages(call: Json) -> list[Message]:
    """Return the messages of a model call that was read with them."""
    return _describe(call["messages"] or (), call["messages_omitted"], _start(call))


def answer_texts(call: Json) -> list[Text]:
    """Return the answer of a model, the result of a tool, or the verdict of a guardrail."""
    answer = call["answer"]
    if answer is None:
        return []
    if call["kind"] == CallKind.MODEL:
        return list(_texts("Answer", answer.get("value")))
    if call["kind"] == CallKind.TOOL:
        return [Text("What the model was told" if call["error"] else "Result", answer["text"])]
    verdict = answer["verdict"]
    return [] if isinstance(verdict, bool) else [Text("Why it was rejected", verdict)]


def argument_texts(call: Json) -> list[Text]:
    """Return the arguments of a tool call."""
    request = call["request"]
    if call["kind"] != CallKind.TOOL or request is None:
        return []
    texts = [Text("Arguments", pretty(request["arguments"]))]
    if "edited" in request:
        texts.append(Text("Called with, as a person has decided", pretty(request["edited"])))
    return texts


def _start(call: Json) -> int:
    """Return how many messages the call before had in common."""
    return t.cast(int, (call["request"] or {}).get("start", 0))


def _describe(messages: Sequence[Json], before: int, start: int) -> list[Message]:
    return [
        Message(number, _role(message), number > start, tuple(_message_texts(message)))
        for number, message in enumerate(messages, before + 1)
    ]


def _role(message: Json) -> str:
    return spoken(str(message.get("role", "message")))


def _message_texts(message: Json) -> Iterator[Text]:
    yield from _texts("Text", message.get("content"))
    for wanted in message.get("tool_calls") or ():
        yield from _texts("", wanted)


def _texts(title: str, value: t.Any) -> Iterator[Text]:
    """Yield the texts of an answer or of a message: plain, in parts, or calls of tools."""
    if value is None or value == "":
        return
    if isinstance(value, str):
        yield Text(title, value)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(title, part)
    elif isinstance(value, dict) and value.get("type") == "text":
        yield from _texts(title, value.get("text"))
    elif call := read_tool_call(value):
        yield Text(f"Calls {call.name}", _readable(call.arguments))
    else:
        yield Text(title, pretty(value))


def _readable(arguments: t.Any) -> str:
    """Return arguments as indented JSON, if they are JSON; models may write anything."""
    if not isinstance(arguments, str):
        return pretty(arguments)
    try:
        return storable(pretty(json.loads(arguments)))
    except (ValueError, RecursionError):
        return arguments
