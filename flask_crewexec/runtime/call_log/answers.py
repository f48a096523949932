"""The answer of a model -> JSON, and back to the objects of its provider.

Providers ask for calls of tools with dictionaries (OpenAI's protocol, Bedrock), or with objects of
their SDK (Anthropic, Gemini).
"""

from __future__ import annotations

import importlib
import typing as t

import pydantic

_CLASS: t.Final = "__class__"
_MODULES: t.Final = ("anthropic.", "crewai.", "google.genai.", "openai.")
"""Where the classes of answers come from."""


class NotStorable(Exception):
    """An answer contains an object that cannot be restored."""


class NotRestorable(Exception):
    """A stored answer does not fit the classes of this installation."""


def encode(value: object) -> object:
    """Return an answer as JSON.

    :raises NotStorable: if it could not be restored.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [encode(each) for each in t.cast("list[object]", value)]
    if isinstance(value, dict) and _CLASS not in value:
        return {str(key): encode(each) for key, each in value.items()}
    if isinstance(value, pydantic.BaseModel) and type(value).__module__.startswith(_MODULES):
        return _encode_object(value)
    raise NotStorable(f"An answer contains {type(value).__qualname__!r}.")


def _encode_object(value: pydantic.BaseModel) -> object:
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    try:
        data = value.model_dump(mode="json", exclude_unset=True, warnings=False)
        stored = {_CLASS: name, "value": data}
        if decode(stored) == value:
            return stored
    except (NotRestorable, ValueError) as error:
        raise NotStorable(f"An answer contains an unusual {name!r}.") from error
    raise NotStorable(f"An answer contains a {name!r} that does not say everything.")


def decode(value: t.Any) -> t.Any:
    """Return the answer that :func:`encode` has stored.

    :raises NotRestorable: if its classes are others now, or are missing.
    """
    if isinstance(value, list):
        return [decode(each) for each in value]
    if not isinstance(value, dict):
        return value
    if _CLASS not in value:
        return {key: decode(each) for key, each in value.items()}
    try:
        return _class_named(value[_CLASS]).model_validate(value["value"])
    except (ImportError, AttributeError, ValueError) as error:
        raise NotRestorable(f"{value[_CLASS]!r} cannot be restored.") from error


def _class_named(name: str) -> type[pydantic.BaseModel]:
    module, _, path = name.partition(":")
    if not module.startswith(_MODULES):
        raise ImportError(f"{module!r} contains no classes of answers.")
    found: t.Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return t.cast("type[pydantic.BaseModel]", found)
