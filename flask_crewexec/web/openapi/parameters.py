"""Parameters in paths, by name."""

from __future__ import annotations

import typing as t

from ...schemas import EVENT_ID
from ...schemas import MAX_INTEGER

Json = dict[str, t.Any]

_KNOWN: t.Final[dict[str, tuple[str, Json]]] = {
    "position": (
        "Position in the order of execution, from 0",
        {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
    ),
    "number": (
        "Number of the call within the execution, from 1",
        {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER},
    ),
    "other_id": (
        "Id of the execution to compare with",
        {"type": "string", "format": "uuid"},
    ),
    "event_id": (
        "Id of the event, as receivers are told it",
        {"type": "string", "pattern": EVENT_ID},
    ),
}
"""Description and schema; all other parameters are ids."""


def path_parameter(name: str) -> Json:
    """Return the parameter of a path with this name."""
    thing = name.removesuffix("_id").replace("_", " ")
    unknown = f"Id of the {thing}", {"type": "string", "format": "uuid"}
    description, schema = _KNOWN.get(name, unknown)
    return {
        "in": "path",
        "name": name,
        "description": description,
        "required": True,
        "schema": schema,
    }
