"""Compare answers with the OpenAPI document, whatever the test is about."""

from __future__ import annotations

import functools
import typing as t

from flask import Flask
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from flask_crewexec.web.openapi import describe

Json = dict[str, t.Any]

Routes = frozenset[tuple[str, str]]
"""Rule and endpoint of each route of an app."""

_documents: t.Final[dict[Routes, Json]] = {}
_NOTHING_ELSE: t.Final = {"unevaluatedProperties": False}


def check_answer(app: Flask, answer: TestResponse) -> None:
    """Fail if an answer of a documented route has another body than the document says."""
    operation = _operation_of(app, answer)
    if operation is None or not answer.is_json:
        return
    documented = operation["responses"]
    response = documented.get(str(answer.status_code), documented["default"])
    if "$ref" in response:
        response = {"content": {"application/problem+json": {"schema": _reference("Problem")}}}
    assert answer.mimetype in response["content"], (answer.request.path, answer.status)
    schema = response["content"][answer.mimetype]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    check_described(app, name, answer.json, f"{answer.request.method} {answer.request.path}")


def check_described(app: Flask, name: str, value: object, where: str) -> None:
    """Fail if a value is not exactly what a schema of the document describes."""
    wrong = best_match(_validator(app, name).iter_errors(value))
    assert wrong is None, f"{where}: {wrong.json_path}: {wrong.message}"


def _operation_of(app: Flask, answer: TestResponse) -> Json | None:
    adapter = app.url_map.bind("localhost")
    request = answer.request
    try:
        rule, _ = adapter.match(request.path, request.method, return_rule=True)
    except HTTPException:
        return None
    path = rule.rule.replace("<", "{").replace(">", "}")
    operations = _document(app)["paths"].get(path, {})
    return t.cast("Json | None", operations.get(request.method.lower()))


def _document(app: Flask) -> Json:
    """Return what describes the app; apps with the same routes share it, since it takes long."""
    routes = _routes(app)
    if routes not in _documents:
        _documents[routes] = describe(app)
    return _documents[routes]


def _routes(app: Flask) -> Routes:
    return frozenset((each.rule, each.endpoint) for each in app.url_map.iter_rules())


def _validator(app: Flask, name: str) -> Draft202012Validator:
    return _validator_for(_routes(app), name)


@functools.lru_cache(maxsize=200)
def _validator_for(routes: Routes, name: str) -> Draft202012Validator:
    components = _strict(_documents[routes]["components"])
    return Draft202012Validator({**_reference(name), "components": components})


def _strict(components: Json) -> Json:
    """Allow no field that is not described."""
    schemas = {
        name: {**schema, **_NOTHING_ELSE} if "properties" in schema else schema
        for name, schema in components["schemas"].items()
    }
    return {**components, "schemas": schemas}


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
