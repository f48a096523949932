"""``.. routes::`` and ``.. schemas::`` describe the HTTP API as its OpenAPI document does."""

from __future__ import annotations

import functools
import typing as t

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from generated import entry
from generated import GeneratedDirective
from generated import Lines
from generated import literal
from generated import phrase
from generated import table
from json_types import meaning_of
from json_types import Schema
from json_types import type_of
from sphinx.application import Sphinx

from flask_crewexec import CrewExec
from flask_crewexec.web.openapi import describe


@functools.cache
def openapi() -> dict[str, t.Any]:
    """Return the OpenAPI document of an application with the default settings."""
    app = Flask("reference")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    CrewExec(app, db=SQLAlchemy(app))
    return describe(app)


class RoutesDirective(GeneratedDirective):
    """Each line of the content is the first part of paths, behind the prefix."""

    def lines(self) -> Lines:
        """Yield a description of the routes below each path."""
        for path, operations in openapi()["paths"].items():
            if path.split("/")[2] in self.content:
                for method, operation in operations.items():
                    yield from entry("route", f"{method.upper()} {path}", _describe(operation))


def _describe(operation: dict[str, t.Any]) -> Lines:
    for paragraph in operation["description"].split("\n\n"):
        yield from (phrase(paragraph.replace("`", "``")), "")
    yield from _parameters(operation["parameters"])
    if body := operation.get("requestBody"):
        yield f":Body: {_content(body['content'])}" + ("" if body["required"] else ", optional")
    yield from (":Responses:", "    ")
    for status, response in sorted(operation["responses"].items()):
        if "$ref" not in response:  # problems are the same everywhere
            content = _content(response.get("content", {}))
            yield f"    | {status} {response['description']}" + (f": {content}" if content else "")


def _parameters(parameters: list[dict[str, t.Any]]) -> Lines:
    """Yield a table of what is not in the path."""
    rows = (
        (literal(each["name"]), each["in"], type_of(each["schema"]), _meaning(each))
        for each in parameters
        if each["in"] != "path"
    )
    yield from table(("Parameter", "In", "Type", "Meaning"), rows)


def _meaning(parameter: dict[str, t.Any]) -> str:
    return meaning_of({**parameter["schema"], "description": parameter.get("description", "")})


def _content(content: dict[str, t.Any]) -> str:
    return " or ".join(
        type_of(each["schema"]) if each.get("schema") else literal(media)
        for media, each in content.items()
    )


class SchemasDirective(GeneratedDirective):
    """Takes no content."""

    has_content = False

    def lines(self) -> Lines:
        """Yield a description of each schema, by name."""
        for name, schema in sorted(openapi()["components"]["schemas"].items()):
            yield from entry("schema", name, _describe_schema(schema))


def _describe_schema(schema: Schema) -> Lines:
    if text := meaning_of({"description": schema.get("description", "")}):
        yield from (text, "")
    if "enum" in schema:
        yield f":Values: {', '.join(map(literal, schema['enum']))}"
    elif "oneOf" in schema:
        yield f":One of: {', '.join(map(type_of, schema['oneOf']))}"
    elif "properties" in schema:
        yield from _fields(schema)


def _fields(schema: Schema) -> Lines:
    required = schema.get("required", ())
    rows = (
        (literal(name), type_of(field), ("Required. " if name in required else "") + meaning)
        for name, field in schema["properties"].items()
        for meaning in (meaning_of(field),)
    )
    yield from table(("Field", "Type", "Meaning"), rows)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives and the kinds of objects that they describe."""
    app.add_object_type("route", "route", "pair: %s; route")
    app.add_object_type("schema", "schema", "pair: %s; JSON schema")
    app.add_directive("routes", RoutesDirective)
    app.add_directive("schemas", SchemasDirective)
    return {"parallel_read_safe": True}
