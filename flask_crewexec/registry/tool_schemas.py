"""Pydantic model and JSON Schema of a tool's arguments, without CrewAI.

Pydantic is imported on first use, because workers that only clean up do not need it.
"""

from __future__ import annotations

import inspect
import logging
import typing as t
import weakref

from .specs import ExternalToolSpec
from .specs import FunctionToolSpec
from .specs import ToolSpec

if t.TYPE_CHECKING:
    import pydantic

Json = dict[str, t.Any]

log = logging.getLogger(__name__)

_schemas: weakref.WeakKeyDictionary[FunctionToolSpec, Json | None] = weakref.WeakKeyDictionary()
_models: weakref.WeakKeyDictionary[FunctionToolSpec, type[pydantic.BaseModel]] = (
    weakref.WeakKeyDictionary()
)


def arguments_model(spec: FunctionToolSpec) -> type[pydantic.BaseModel]:
    """Return a model with a field for each parameter of the function.

    :raises pydantic.errors.PydanticUserError: if Pydantic does not understand a type.
    """
    if spec not in _models:
        _models[spec] = _create_model(spec)
    return _models[spec]


def _create_model(spec: FunctionToolSpec) -> type[pydantic.BaseModel]:
    import pydantic

    hints = spec.hints
    fields: dict[str, t.Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(spec.function).parameters.items()
    }
    return pydantic.create_model(f"{spec.name}_arguments", **fields)


def arguments_schema(spec: ToolSpec) -> Json | None:
    """Return the JSON Schema of the arguments, or None if this process does not know it."""
    if isinstance(spec, ExternalToolSpec):
        return spec.arguments
    assert isinstance(spec, FunctionToolSpec)
    if spec not in _schemas:
        _schemas[spec] = _describe(spec)
    return _schemas[spec]


def _describe(spec: FunctionToolSpec) -> Json | None:
    from pydantic.errors import PydanticUserError
    from pydantic.json_schema import GenerateJsonSchema

    class WithoutWarnings(GenerateJsonSchema):
        """Omits defaults that JSON cannot represent, without a warning."""

        ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012

    try:
        return arguments_model(spec).model_json_schema(schema_generator=WithoutWarnings)
    except PydanticUserError:
        log.exception(
            "The arguments of tool '%s' have no JSON Schema. Check their types.", spec.name
        )
        return None
