"""OpenAPI 3.1 document of the routes, generated from the views."""

from __future__ import annotations

import re
import typing as t
from http import HTTPStatus
from importlib.metadata import version

import marshmallow as ma
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from werkzeug.routing import Rule

from ..schemas import EVENT_ID
from ..schemas import ProblemSchema
from .archives import FORM
from .view_contracts import BODIES
from .view_contracts import docs_of
from .view_contracts import View

PREFIX = "crewexec."
CLIENT = "crewexec.client."
"""Prefix of the files of the client for JavaScript, which are not part of the API."""
_ARCHIVE: t.Final = {
    "type": "object",
    "properties": {
        "project": {"type": "string", "format": "binary", "description": "ZIP of a project"},
        "options": {"type": "string", "description": "The other fields, as JSON"},
    },
    "required": ["project"],
}


def describe(app: Flask) -> dict[str, t.Any]:
    """Return the description of our routes as they are registered on *app*."""
    spec = APISpec(
        title="Flask-CrewExec",
        version=version("Flask-CrewExec"),
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin(schema_name_resolver=_schema_name)],
    )
    spec.components.schema("Problem", schema=ProblemSchema)
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(PREFIX) and not rule.endpoint.startswith(CLIENT):
            _add(spec, rule, app.view_functions[rule.endpoint])
    return spec.to_dict()


def _schema_name(schema: t.Any) -> str:
    name = schema if isinstance(schema, str) else getattr(schema, "__name__", type(schema).__name__)
    return name.removesuffix("Schema")


def _add(spec: APISpec, rule: Rule, view: View) -> None:
    path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
    methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
    spec.path(path, operations={method.lower(): _operation(rule, view) for method in methods})


def _operation(rule: Rule, view: View) -> dict[str, t.Any]:
    docs = docs_of(view)
    operation: dict[str, t.Any] = {
        "operationId": rule.endpoint.rpartition(".")[2],
        "summary": (view.__doc__ or "").strip().partition("\n")[0].rstrip("."),
        "parameters": [_path_parameter(name) for name in sorted(rule.arguments)],
        "responses": _responses(docs.responses),
    }
    for schema, location in docs.requests:
        if location in BODIES:
            operation["requestBody"] = _body(schema)
            if location == "project":
                operation["requestBody"]["content"][FORM] = {"schema": _ARCHIVE}
        else:
            operation["parameters"].append({"in": location.rstrip("s"), "schema": schema})
    return operation


def _body(schema: ma.Schema) -> dict[str, t.Any]:
    content = {"schema": schema}
    if (example := getattr(schema, "example", None)) is not None:
        content["example"] = example
    needed = any(field.required for field in schema.fields.values())
    return {"content": {"application/json": content}, "required": needed}


def _path_parameter(name: str) -> dict[str, t.Any]:
    if name == "position":
        schema: dict[str, t.Any] = {"type": "integer", "minimum": 0}
        description = "Position in the order of execution, from 0"
    elif name == "event_id":
        schema = {"type": "string", "pattern": EVENT_ID}
        description = "Id of the event, as receivers are told it"
    else:
        schema = {"type": "string", "format": "uuid"}
        description = f"Id of the {name.removesuffix('_id')}"
    return {
        "in": "path",
        "name": name,
        "description": description,
        "required": True,
        "schema": schema,
    }


def _responses(documented: list[tuple[t.Any, int, str | None]]) -> dict[str, t.Any]:
    problem = {"application/problem+json": {"schema": "Problem"}}
    responses: dict[str, t.Any] = {"default": {"description": "Problem", "content": problem}}
    for schema, status, media in documented:
        description = {"description": HTTPStatus(status).phrase}
        response = responses.setdefault(str(status), description)
        if media is not None:
            content = {} if schema is None else {"schema": schema}
            response.setdefault("content", {})[media] = content
    return responses
