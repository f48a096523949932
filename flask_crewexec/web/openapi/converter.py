"""Conversion of marshmallow's schemas to those of OpenAPI, with names that clients can use.

What apispec leaves out: fields that answers always have, one component for each enumeration,
known values of open strings, and the types of events.
"""

from __future__ import annotations

import enum
import json
import typing as t
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator

import marshmallow as ma
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import fields
from marshmallow import validate

from ...schemas import EventSchema
from .codes import enumeration
from .events import add_event_types

Json = dict[str, t.Any]
Field = fields.Field[t.Any]


class Converter(OpenAPIConverter):
    """Describes answers as they are sent: with every field, except for optional ones."""

    answers: t.ClassVar[Collection[type[ma.Schema]]] = ()
    """Schemas of answers; the others are those of requests."""
    spec: APISpec

    def field2choices(self, field: Field, **kwargs: t.Any) -> Json:
        """Return a reference to an enumeration, or what apispec returns."""
        property: Json = kwargs["ret"]
        if (known := field.metadata.get("known_values")) is not None:
            self._add(known, enumeration(known))
            property.pop("type")
            return {"anyOf": [_reference(known), {"type": "string"}]}
        if (values := _enumeration_of(field)) is not None:
            self._add(values.__name__, _component_of(values))
            property.clear()
            return _reference(values.__name__)
        choices: Json = super().field2choices(field, **kwargs)
        return choices

    def _add(self, name: str, component: Json) -> None:
        if name not in self.spec.components.schemas:
            self.spec.components.schema(name, component)

    def schema2jsonschema(self, schema: ma.Schema) -> Json:
        """Return the schema of a request or an answer."""
        json_schema: Json = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        json_schema["description"] = _summary(schema)
        if type(schema) not in self.answers:
            _tell_defaults(json_schema["properties"])
            return json_schema
        json_schema.pop("additionalProperties", None)  # later versions may add some
        if required := _always_sent(schema):
            json_schema["required"] = required
        if isinstance(schema, EventSchema):
            return add_event_types(self.spec, json_schema)
        return json_schema


def plugin(answers: Iterable[ma.Schema]) -> MarshmallowPlugin:
    """Return a plugin of apispec that knows which schemas describe *answers*."""
    known = frozenset(type(each) for answer in answers for each in _with_nested(answer))
    converter = type("AnswersConverter", (Converter,), {"answers": known})
    plugin_type = type("Plugin", (MarshmallowPlugin,), {"Converter": converter})
    return t.cast(MarshmallowPlugin, plugin_type(schema_name_resolver=name_of))


def _tell_defaults(properties: Json) -> None:
    """Move defaults of a request to the descriptions.

    Generators of clients take a field with a default for one that is always there, and would have
    their users send it.
    """
    for property in properties.values():
        default = property.pop("default", None)
        if default is not None:
            property["description"] += f"; by default {json.dumps(default)}"


def _with_nested(schema: ma.Schema) -> Iterator[ma.Schema]:
    yield schema
    for field in schema.fields.values():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            yield from _with_nested(inner.schema)


def _always_sent(schema: ma.Schema) -> list[str]:
    return sorted(
        field.data_key or name
        for name, field in schema.fields.items()
        if not field.metadata.get("optional")
    )


def name_of(schema: t.Any) -> str:
    name = schema if isinstance(schema, str) else getattr(schema, "__name__", type(schema).__name__)
    return name.removesuffix("Schema")


def _summary(schema: ma.Schema) -> str:
    return (type(schema).__doc__ or "").partition("\n")[0].rstrip(".")


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _enumeration_of(field: Field) -> type[enum.Enum] | None:
    """Return the enumeration all of whose members a field may have."""
    for validator in field.validators:
        if isinstance(validator, validate.OneOf) and isinstance(validator.choices, list):
            kinds = {type(choice) for choice in validator.choices}
            if len(kinds) == 1 and issubclass(kind := kinds.pop(), enum.Enum):
                return kind
    return None


def _component_of(values: type[enum.Enum]) -> Json:
    description = (values.__doc__ or "").partition("\n")[0].rstrip(".")
    return {
        "type": "string",
        "description": description,
        "enum": [str(member.value) for member in values],
    }
