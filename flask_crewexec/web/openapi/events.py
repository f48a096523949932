"""Schemas of the events of an execution: one for each type, told apart by ``type``."""

from __future__ import annotations

import typing as t

from apispec import APISpec

from ...schemas import EVENT_TYPES
from ...schemas import EventField
from ...schemas import EventType

Json = dict[str, t.Any]


def add_event_types(spec: APISpec, event: Json) -> Json:
    """Add a component for each type of event, and return the union of them.

    :param event: the schema of every event, without what its type says.
    """
    mapping = {}
    for name, known in EVENT_TYPES.items():
        component = f"{name.title().replace('_', '')}Event"
        spec.components.schema(component, _event_of(name, known, event))
        mapping[name] = f"#/components/schemas/{component}"
    return {
        "description": "An event in an execution's history; later versions may add types",
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def _event_of(name: str, known: EventType, event: Json) -> Json:
    properties = event["properties"]
    type = {"description": properties["type"]["description"], "type": "string", "const": name}
    data = {"description": properties["data"]["description"], **_data_of(known)}
    return {
        **event,
        "description": known.meaning,
        "properties": {**properties, "type": type, "data": data},
    }


def _data_of(known: EventType) -> Json:
    required = sorted(name for name, field in known.fields.items() if not field.optional)
    properties = {name: _value_of(field) for name, field in known.fields.items()}
    schema: Json = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema


def _value_of(field: EventField) -> Json:
    kinds = field.type.split(" or ")
    kind: Json = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if "object" in kinds:
        kind["additionalProperties"] = {}
    if "array" in kinds:
        kind["items"] = {"type": "object", "additionalProperties": {}}
    return {**kind, "description": field.meaning}
