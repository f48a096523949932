"""One operation of the OpenAPI document, from a view and what it declares."""

from __future__ import annotations

import inspect
import re
import typing as t

import marshmallow as ma
from werkzeug.routing import Rule

from ..archives import FORM
from ..view_contracts import BODIES
from ..view_contracts import docs_of
from ..view_contracts import View
from .parameters import path_parameter
from .responses import responses_of

Json = dict[str, t.Any]

_ARCHIVE: t.Final = {
    "type": "object",
    "properties": {
        "project": {"type": "string", "format": "binary", "description": "ZIP of a project"},
        "options": {"type": "string", "description": "The other fields, as JSON"},
    },
    "required": ["project"],
}


def operation_of(rule: Rule, view: View, *, needs_user: bool) -> Json:
    """Return the description of what a route does, without its tag and security."""
    docs = docs_of(view)
    summary, description = _texts(view)
    operation: Json = {
        "operationId": rule.endpoint.rpartition(".")[2],
        "summary": summary,
        "description": description,
        "parameters": [path_parameter(name) for name in sorted(rule.arguments)],
        "responses": responses_of(rule, docs, needs_user),
    }
    for schema, location in docs.requests:
        if location in BODIES:
            operation["requestBody"] = _body(schema, location)
        else:
            operation["parameters"].append({"in": location.rstrip("s"), "schema": schema})
    return operation


def _texts(view: View) -> tuple[str, str]:
    """Return the summary of a view, and its docstring as Markdown without the exceptions."""
    text = inspect.getdoc(view) or ""
    text = text.partition("\n:raises")[0].strip().replace("``", "`")
    return re.sub(r"[.`]", "", text.partition("\n")[0]), text


def _body(schema: ma.Schema, location: str) -> Json:
    example = getattr(schema, "example", None)
    json: Json = {"schema": schema}
    if example is not None:
        json["example"] = example
    content: Json = {"application/json": json}
    if location == "project":
        content[FORM] = {"schema": _ARCHIVE}
    needed = any(field.required for field in schema.fields.values())
    return {"content": content, "required": needed}
