"""Responses of operations, with the problems that each may answer with."""

from __future__ import annotations

import typing as t
from http import HTTPStatus

import marshmallow as ma
from apispec import APISpec
from werkzeug.routing import Rule

from ...schemas import ProblemSchema
from ..view_contracts import Docs
from .examples import examples_of

Json = dict[str, t.Any]

_PROBLEM: t.Final = "application/problem+json"
_PROBLEMS: t.Final = {
    401: ("Unauthorized", "The request does not identify a user"),
    404: ("NotFound", "There is no such thing, or not for this user"),
    422: ("Unprocessable", "The request cannot be fulfilled as it is; 'errors' says why"),
}
"""Name of the component and description, by status."""
_OTHER: t.Final = ("Problem", "Any other problem")
HEADERS: t.Final = {
    "ETag": "Version of the graph, for 'If-Match'",
    "Idempotency-Replayed": "'true' if an earlier submission with the same key is answered",
    "Location": "URL of what was made",
    "Retry-After": "Seconds to wait before the next request",
}
"""Headers of responses that a view may document, with their descriptions."""


def add_problem_responses(spec: APISpec) -> None:
    """Add the responses with problems, to which operations refer."""
    spec.components.schema("Problem", schema=ProblemSchema)
    for name, description in (*_PROBLEMS.values(), _OTHER):
        content = {_PROBLEM: {"schema": "Problem"}}
        component: Json = {"description": description, "content": content}
        if name == "Unauthorized":
            described = "How to sign in (RFC 9110)"
            component["headers"] = {"WWW-Authenticate": _header(described)}
        spec.components.response(name, component)


def responses_of(rule: Rule, docs: Docs, needs_user: bool) -> Json:
    """Return the responses of an operation, by status."""
    statuses = _statuses(rule, docs, needs_user)
    responses: Json = {str(status): _PROBLEMS[status][0] for status in statuses}
    responses["default"] = _OTHER[0]
    for response in docs.responses:
        described = {"description": HTTPStatus(response.status).phrase}
        answer = responses.setdefault(str(response.status), described)
        if response.media is not None:
            answer.setdefault("content", {})[response.media] = _content(response.schema)
        if docs.headers and response.status < 300:
            answer["headers"] = {name: _header(HEADERS[name]) for name in docs.headers}
    return responses


def _content(schema: ma.Schema | None) -> Json:
    if schema is None:
        return {"schema": {"type": "string"}}
    return {"schema": schema, **examples_of(schema)}


def _statuses(rule: Rule, docs: Docs, needs_user: bool) -> list[int]:
    possible = {401: needs_user, 404: bool(rule.arguments), 422: bool(docs.requests)}
    return [status for status, is_possible in possible.items() if is_possible]


def _header(description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}}
