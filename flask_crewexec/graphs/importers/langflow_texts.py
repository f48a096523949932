"""Texts that one component of a Langflow flow provides for another."""

from __future__ import annotations

import typing as t

from ..placeholders import fill
from ..placeholders import is_name
from .langflow_flow import Component
from .langflow_flow import Flow
from .langflow_flow import member

_PROMPTS: t.Final = frozenset({"Prompt", "Prompt Template", "PromptComponent"})
_INPUTS: t.Final = frozenset({"ChatInput", "TextInput", "TextInputComponent"})
_MAX_DEPTH: t.Final = 10
_MAX_LENGTH: t.Final = 50_000


class Provided(t.NamedTuple):
    """A text, and the ids of the components that it consists of."""

    text: str | None
    ids: frozenset[str]


_NOTHING: t.Final = Provided(None, frozenset())


class ProvidedTexts:
    """The texts of prompts and inputs; each is put together once."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._found: dict[str, Provided] = {}

    def of(self, source: Component, depth: int = 0) -> Provided:
        """Return the text of *source*, or None.

        What a prompt gets from a component that asks for a text remains an input of the crew.
        """
        if source.id not in self._found:
            self._found[source.id] = _NOTHING  # for a prompt that contains itself
            self._found[source.id] = self._read(source, depth)
        return self._found[source.id]

    def _read(self, source: Component, depth: int) -> Provided:
        if source.type in _INPUTS:
            return Provided(_placeholder(source), frozenset({source.id}))
        template = member(source.form, "template", "value")
        if source.type not in _PROMPTS or not isinstance(template, str) or depth > _MAX_DEPTH:
            return _NOTHING
        values: dict[str, str] = {}
        ids = {source.id}
        for name in source.form.keys() - {"template"}:
            text = self._value(source, name, depth, ids)
            if text:
                values[name] = text
        filled = fill(template, values)
        return Provided(filled, frozenset(ids)) if len(filled) <= _MAX_LENGTH else _NOTHING

    def _value(self, source: Component, name: str, depth: int, ids: set[str]) -> str | None:
        """Return what replaces the variable *name* of a prompt, and add its components to *ids*."""
        for other in self._flow.into(source, name)[:1]:
            if other.type in _INPUTS:
                ids.add(other.id)
                return None
            provided = self.of(other, depth + 1)
            ids |= provided.ids
            return provided.text
        value = member(source.form, name, "value")
        return value if isinstance(value, str) else None


def _placeholder(source: Component) -> str:
    name = source.id.replace("-", "_").lower()
    return "{" + (name if is_name(name) else "text") + "}"
