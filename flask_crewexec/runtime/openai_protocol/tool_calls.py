"""The tool calls of a message, whole or in fragments."""

from __future__ import annotations

import dataclasses
import json
import typing as t
import uuid
from collections.abc import Mapping

from ...text import storable
from .answer import ToolCall


@dataclasses.dataclass
class _Call:
    """A tool call, as far as it has been received."""

    index: object
    id: str = ""
    name: str = ""
    arguments: list[str] = dataclasses.field(default_factory=list)


class ToolCallReader:
    """Joins the fragments of tool calls; a whole call is a single fragment."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def add(self, message: Mapping[str, t.Any], *, whole: bool) -> None:
        """Add the calls of a message.

        :param whole: whether they are complete, and not fragments.
        """
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            for position, call in enumerate(t.cast("list[object]", calls)):
                if isinstance(call, Mapping):
                    self._add(call, call.get("function"), position if whole else call.get("index"))
        else:  # the older form, which allows one call
            self._add({}, message.get("function_call"), 0)

    def finish(self) -> list[ToolCall]:
        """Return the calls, each with an id of its own."""
        ids: set[str] = set()
        return [_finished(call, position, ids) for position, call in enumerate(self._calls)]

    def _add(self, fragment: Mapping[str, t.Any], function: object, index: object) -> None:
        if not isinstance(function, Mapping):
            return
        id, name = _text(fragment.get("id")), _text(function.get("name"))
        call = self._latest(index)
        if call is None or _begins_another(call, index, id, name):
            call = _Call(index)
            self._calls.append(call)
        call.id = call.id or id
        call.name = name or call.name
        call.arguments.append(_arguments_text(function.get("arguments")))

    def _latest(self, index: object) -> _Call | None:
        """Return the latest call with this index; without an index, the latest call."""
        matching = (each for each in reversed(self._calls) if index in (None, each.index))
        return next(matching, None)


def _begins_another(call: _Call, index: object, id: str, name: str) -> bool:
    """Return whether a named fragment is not part of *call*.

    Some servers send no index, or the same one for several calls.
    """
    if not name:
        return False
    return bool(call.id) and id != call.id if id else index is None


def _finished(call: _Call, position: int, ids: set[str]) -> ToolCall:
    id = storable(call.id)
    if not id or id in ids:
        id = f"call_{uuid.uuid4().hex}"
    ids.add(id)
    arguments = storable("".join(call.arguments))
    function = {"name": storable(call.name), "arguments": arguments if arguments.strip() else "{}"}
    return {"id": id, "type": "function", "index": position, "function": function}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _arguments_text(value: object) -> str:
    """Return arguments as text; some servers send an object."""
    if value is None or isinstance(value, str):
        return _text(value)
    return json.dumps(value)
