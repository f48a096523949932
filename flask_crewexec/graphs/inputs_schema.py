"""The inputs of a graph as JSON Schema, for forms and editors."""

from __future__ import annotations

import typing as t

from .document import Graph
from .inputs import RESERVED

_NOT_NULL: t.Final = ["string", "number", "boolean", "array", "object"]


def inputs_schema(graph: Graph) -> dict[str, t.Any]:
    """Return a JSON Schema (2020-12) of the inputs that *graph* takes.

    It accepts what :func:`.check_inputs` accepts.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": graph.name,
        "type": "object",
        "properties": {name: {"type": _NOT_NULL} for name in graph.inputs},
        "required": list(graph.inputs),
        "propertyNames": {"minLength": 1, "not": {"enum": sorted(RESERVED)}},
    }
