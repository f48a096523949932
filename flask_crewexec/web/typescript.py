"""Types for TypeScript of the documents that the API reads and sends."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from ..schemas import EVENT_TYPES
from ..schemas import EventField
from ..schemas import ExecutionPageSchema
from ..schemas import ExecutionQuerySchema
from ..schemas import InputAnswerSchema
from ..schemas import InputRequestPageSchema
from ..schemas import InputRequestQuerySchema
from ..schemas import LimitsSchema
from ..schemas import ProblemItemSchema
from ..schemas import QueueRequestSchema
from ..schemas import WholeExecutionSchema

Field = fields.Field[t.Any]

_REQUESTS: t.Final = (
    QueueRequestSchema,
    LimitsSchema,
    ExecutionQuerySchema,
    InputAnswerSchema,
    InputRequestQuerySchema,
)
_ANSWERS: t.Final = (
    WholeExecutionSchema,
    ExecutionPageSchema,
    InputRequestPageSchema,
    ProblemItemSchema,
)
_TYPES: t.Final[tuple[tuple[type[Field], str], ...]] = (
    (fields.Boolean, "boolean"),
    (fields.Number, "number"),
    (fields.Dict, "Record<string, unknown>"),
    (fields.DateTime, "string"),
    (fields.String, "string"),
    (fields.UUID, "string"),
)
_JSON_TYPES: t.Final = {
    "integer": "number",
    "object": "Record<string, unknown>",
    "array": "unknown[]",
}
"""Types of JSON Schema that TypeScript calls otherwise."""


def declarations() -> str:
    """Return the declarations of all types."""
    requests = _with_nested(_REQUESTS)
    answers = _with_nested(_ANSWERS)
    return "\n".join(
        [
            *(_interface(schema, is_request=True) for schema in requests),
            *(_interface(schema, is_request=False) for schema in answers if schema not in requests),
            _event_data(),
        ]
    )


def _with_nested(schemas: Iterable[type[ma.Schema]]) -> list[type[ma.Schema]]:
    """Return the schemas and those of their fields, each once."""
    found: dict[type[ma.Schema], None] = {}
    left = [*schemas]
    while left:
        schema = left.pop(0)
        found[schema] = None
        left += [each for each in _nested_in(schema) if each not in found]
    return [*found]


def _nested_in(schema: type[ma.Schema]) -> Iterator[type[ma.Schema]]:
    for field in schema().fields.values():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            yield type(inner.schema)


def _interface(schema: type[ma.Schema], *, is_request: bool) -> str:
    lines = [f"/** {_summary(schema)}. */", f"export interface {_name_of(schema)} {{"]
    for name, field in schema().fields.items():
        is_optional = not field.required if is_request else bool(field.metadata.get("optional"))
        lines.append(f"  /** {field.metadata['description']}. */")
        lines.append(f"  {field.data_key or name}{'?' if is_optional else ''}: {_type_of(field)};")
    return "\n".join([*lines, "}", ""])


def _summary(schema: type[ma.Schema]) -> str:
    return (schema.__doc__ or "").partition("\n")[0].rstrip(".")


def _name_of(schema: type[ma.Schema]) -> str:
    return schema.__name__.removesuffix("Schema")


def _type_of(field: Field) -> str:
    return f"{_type_of_value(field)} | null" if field.allow_none else _type_of_value(field)


def _type_of_value(field: Field) -> str:
    if isinstance(field, fields.Nested):
        return _name_of(type(field.schema))
    if isinstance(field, fields.List):
        return f"Array<{_type_of(field.inner)}>"
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            return " | ".join(json.dumps(choice) for choice in validator.choices)
    return next((name for kind, name in _TYPES if isinstance(field, kind)), "unknown")


def _event_data() -> str:
    lines = ["/** The data of an event, by its type. */", "export interface EventData {"]
    for name, event in EVENT_TYPES.items():
        lines += [f"  /** {event.meaning} */", f"  {name}: {{"]
        lines += [f"    {_event_field(key, field)}" for key, field in event.fields.items()]
        lines += ["  };"]
    return "\n".join([*lines, "}", ""])


def _event_field(name: str, field: EventField) -> str:
    kinds = (_JSON_TYPES.get(kind, kind) for kind in field.type.split(" or "))
    return f"{name}{'?' if field.optional else ''}: {' | '.join(kinds)}; // {field.meaning}"
