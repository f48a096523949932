"""Pydantic model and JSON Schema of a tool's arguments, without CrewAI.

Pydantic is imported on first use, because workers that only clean up do not need it.
"""

from __future__ import annotations

import inspect
import logging
import typing as t
import weakref
from collections.abc import Iterable
from collections.abc import Iterator

from ..errors import ToolUnavailable
from .specs import ExternalToolSpec
from .specs import FunctionToolSpec
from .specs import ToolSpec

if t.TYPE_CHECKING:
    import pydantic

Json = dict[str, t.Any]
Fields = dict[str, t.Any]
"""Types and defaults of parameters, by name."""

log = logging.getLogger(__name__)


class _Arguments(t.NamedTuple):
    model: type[pydantic.BaseModel]
    schema: Json


_arguments: weakref.WeakKeyDictionary[FunctionToolSpec, _Arguments] = weakref.WeakKeyDictionary()
_reported: weakref.WeakSet[FunctionToolSpec] = weakref.WeakSet()
"""Tools of which the log says already that their arguments cannot be used."""


def arguments_model(spec: FunctionToolSpec) -> type[pydantic.BaseModel]:
    """Return a model with a field for each parameter of the function.

    :raises ToolUnavailable: if Pydantic cannot use a type; the message names the parameter.
    """
    return _arguments_of(spec).model


def arguments_schema(spec: ToolSpec) -> Json | None:
    """Return the JSON Schema of the arguments, or None if this process does not know it."""
    if isinstance(spec, ExternalToolSpec):
        return spec.arguments
    assert isinstance(spec, FunctionToolSpec)
    try:
        return _arguments_of(spec).schema
    except ToolUnavailable as error:
        if spec not in _reported:
            log.error("%s", error.detail, exc_info=error)
            _reported.add(spec)
        return None


def find_unusable(specs: Iterable[ToolSpec]) -> Iterator[ToolUnavailable]:
    """Yield why tools cannot be used because of the types of their arguments."""
    for spec in specs:
        if isinstance(spec, FunctionToolSpec):
            try:
                _arguments_of(spec)
            except ToolUnavailable as error:
                yield error


def _arguments_of(spec: FunctionToolSpec) -> _Arguments:
    if spec not in _arguments:
        fields = _fields(spec)
        try:
            _arguments[spec] = _read(spec.name, fields)
        except Exception as error:  # types may have code of the host
            raise ToolUnavailable(
                f"The tool '{spec.name}' cannot be used: {_blame(spec.name, fields)} has no type"
                " that Pydantic can describe as JSON."
            ) from error
    return _arguments[spec]


def _fields(spec: FunctionToolSpec) -> Fields:
    hints = spec.hints
    return {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(spec.function).parameters.items()
    }


def _read(tool: str, fields: Fields) -> _Arguments:
    import pydantic
    from pydantic.json_schema import GenerateJsonSchema

    class WithoutWarnings(GenerateJsonSchema):
        """Omits defaults that JSON cannot represent, without a warning."""

        ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012

    model = pydantic.create_model(f"{tool}_arguments", **fields)
    return _Arguments(model, model.model_json_schema(schema_generator=WithoutWarnings))


def _blame(tool: str, fields: Fields) -> str:
    """Return which of the *fields* cannot be read."""
    for name, field in fields.items():
        try:
            _read(tool, {name: field})
        except Exception:  # noqa: BLE001  # as above
            return f"its parameter '{name}'"
    return "one of its parameters"
