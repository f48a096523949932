"""The answer of a model -> JSON, and back to the objects of its provider.

Providers ask for calls of tools with dictionaries (OpenAI's protocol, Bedrock), or with objects of
their SDK (Anthropic, Azure, Gemini, LiteLLM). Azure's are mappings, all others are Pydantic's.
"""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Mapping

import pydantic

_CLASS: t.Final = "__class__"
_MODULES: t.Final = tuple(
    f"{name}."
    for name in ("anthropic", "azure.ai.inference", "crewai", "google.genai", "litellm", "openai")
)
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
    if type(value).__module__.startswith(_MODULES):
        return _encode_object(value)
    raise NotStorable(f"An answer contains {type(value).__qualname__!r}.")


def _encode_object(value: object) -> object:
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    try:
        data = _data_of(value)
        stored = {_CLASS: name, "value": data}
        if decode(stored) == value:
            return stored
    except (NotRestorable, AttributeError, ValueError) as error:
        raise NotStorable(f"An answer contains an unusual {name!r}.") from error
    raise NotStorable(f"An answer contains a {name!r} that does not say everything.")


def _data_of(value: t.Any) -> object:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json", exclude_unset=True, warnings=False)
    return value.as_dict()


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
        return _object_of(_class_named(value[_CLASS]), value["value"])
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise NotRestorable(f"{value[_CLASS]!r} cannot be restored.") from error


def _object_of(kind: t.Any, data: object) -> object:
    is_azure = isinstance(kind, type) and issubclass(kind, Mapping)
    return kind(data) if is_azure else kind.model_validate(data)


def _class_named(name: str) -> t.Any:
    module, _, path = name.partition(":")
    if not module.startswith(_MODULES):
        raise ImportError(f"{module!r} contains no classes of answers.")
    found: t.Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found
