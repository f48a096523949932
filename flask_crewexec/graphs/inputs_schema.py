"""The JSON Schema of a graph's inputs, for forms and editors."""

from __future__ import annotations

import typing as t
from collections.abc import Collection

from .graph import Graph
from .input_types import Declaration
from .input_types import REFERENCE
from .input_values import RESERVED

_NOT_NULL: t.Final = ["string", "number", "boolean", "array", "object"]
_END: t.Final = r"(?![\s\S])"
"""End of the text; in Python ``$`` also matches before a trailing line break."""

Json = dict[str, t.Any]


def inputs_schema(graph: Graph, storages: Collection[str] = ()) -> Json:
    """Return the JSON Schema (2020-12) of the inputs of *graph*.

    It accepts what :func:`.check_inputs` accepts.
    """
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": graph.name,
        "type": "object",
    }
    if graph.declared:
        return {
            **head,
            "properties": {each.name: _schema_of(each, storages) for each in graph.declared},
            "required": [each.name for each in graph.declared if each.required],
            "additionalProperties": False,
        }
    return {
        **head,
        "properties": {name: {"type": _NOT_NULL} for name in graph.inputs},
        "required": list(graph.inputs),
        "propertyNames": {"minLength": 1, "not": {"enum": sorted(RESERVED)}},
    }


def _schema_of(declaration: Declaration, storages: Collection[str]) -> Json:
    type = "string" if declaration.type == "file" else declaration.type
    keywords = {
        "description": declaration.description or None,
        "default": declaration.default,
        "enum": declaration.enum and [*declaration.enum],
        "maxLength": declaration.max_length,
        "minimum": declaration.minimum,
        "maximum": declaration.maximum,
        "pattern": _pattern(storages) if declaration.type == "file" else None,
    }
    given = {name: value for name, value in keywords.items() if value is not None}
    return {"type": type or _NOT_NULL, **given}


def _pattern(storages: Collection[str]) -> str:
    names = "|".join(sorted(storages)) or "(?!)"
    return f"^(?:{names}):{REFERENCE}{_END}"
