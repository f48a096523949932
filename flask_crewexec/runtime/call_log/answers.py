"""The answer of a model -> JSON, and back to the objects of its provider."""

from __future__ import annotations

import importlib
import typing as t

import pydantic

_CLASS: t.Final = "__class__"
_MODULES: t.Final = ("anthropic.", "crewai.", "google.genai.", "openai.")
"""Where the classes of answers come from."""


class NotStorable(Exception):
    """An answer contains an object that cannot be restored."""


def encode(value: object) -> object:
    """Return an answer as JSON.

    :raises NotStorable: if it could not be restored.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [encode(each) for each in t.cast("list[object]", value)]
    if isinstance(value, dict):
        return {str(key): encode(each) for key, each in value.items()}
    if isinstance(value, pydantic.BaseModel) and type(value).__module__.startswith(_MODULES):
        name = f"{type(value).__module__}:{type(value).__qualname__}"
        return {_CLASS: name, "value": value.model_dump(mode="json")}
    raise NotStorable(f"An answer contains {type(value).__qualname__!r}.")


def decode(value: t.Any) -> t.Any:
    """Return the answer that :func:`encode` has stored."""
    if isinstance(value, list):
        return [decode(each) for each in value]
    if not isinstance(value, dict):
        return value
    if _CLASS in value:
        return _class_named(value[_CLASS]).model_validate(value["value"])
    return {key: decode(each) for key, each in value.items()}


def _class_named(name: str) -> type[pydantic.BaseModel]:
    module, _, path = name.partition(":")
    found: t.Any = importlib.import_module(module) if module.startswith(_MODULES) else None
    for part in path.split("."):
        found = getattr(found, part)
    return t.cast("type[pydantic.BaseModel]", found)
