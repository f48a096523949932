"""Errors as RFC 9457 problem documents, within the blueprint only."""

from __future__ import annotations

import logging
import typing as t
import uuid
from collections.abc import Sequence

from flask import Blueprint
from flask import json
from flask import request
from flask import Response
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from ..errors import CrewExecError
from ..errors import Problem
from ..errors import QuotaExceeded
from ..storage.database_errors import is_unavailable
from ..storage.database_errors import missing_table

log = logging.getLogger(__name__)

RETRY_SECONDS: t.Final = "5"


class Unauthorized(CrewExecError):
    """Nobody is known to have made the request."""

    code = "unauthorized"
    status = 401
    title = "Who are you?"


class Forbidden(CrewExecError):
    """The user who makes the request may not do this."""

    code = "forbidden"
    status = 403
    title = "Not for you"


class MalformedJson(CrewExecError):
    """The body cannot be read as JSON."""

    code = "malformed-json"
    status = 400
    title = "The body is not JSON"


class UnsupportedMediaType(CrewExecError):
    """The body is not declared to be JSON."""

    code = "unsupported-media-type"
    status = 415
    title = "The body must be JSON"


class NotInstalled(CrewExecError):
    """A package that the route needs is missing."""

    code = "not-installed"
    status = 501
    title = "A package is not installed"


def handle_errors(blueprint: Blueprint) -> None:
    """Make every error of the blueprint's views a problem document."""
    blueprint.register_error_handler(CrewExecError, _expected)
    blueprint.register_error_handler(HTTPException, _http)
    blueprint.register_error_handler(SQLAlchemyError, _database)
    blueprint.register_error_handler(Exception, _unexpected)


def _expected(error: CrewExecError) -> Response:
    answer = _answer(error.status, error.code, error.title, error.detail, error.problems)
    if isinstance(error, QuotaExceeded):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.response is not None or error.code < 400:
        return error  # a redirect, or an answer that someone already made
    code = error.name.lower().replace(" ", "-")
    answer = _answer(error.code, code, error.name, error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            answer.headers[name] = value
    return answer


def _database(error: SQLAlchemyError) -> Response:
    if is_unavailable(error):
        return _logged(503, "database-unavailable", "The database did not answer. Try again later.")
    if table := missing_table(error):
        log.error(
            "The database has no table '%s'. Run your migrations, or call 'db.create_all()', to"
            " create it.",
            table,
        )
    return _unexpected(error)


def _unexpected(error: Exception) -> Response:
    return _logged(500, "internal-error", "Something went wrong on our side.")


def _logged(status: int, code: str, detail: str) -> Response:
    """Log the current exception; tell the client no more than how to ask about it."""
    correlation_id = uuid.uuid4().hex
    log.exception("%s %s failed (correlation id %s).", request.method, request.path, correlation_id)
    return _answer(status, code, "The request failed", detail, correlation_id=correlation_id)


def _answer(
    status: int,
    code: str,
    title: str,
    detail: str,
    problems: Sequence[Problem] = (),
    **more: str,
) -> Response:
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "instance": request.path,
        **more,
    }
    if problems:
        body["errors"] = [_item(problem) for problem in problems]
    headers = {"Retry-After": RETRY_SECONDS} if status == 503 else {}
    return Response(json.dumps(body), status, headers, content_type="application/problem+json")


def _item(problem: Problem) -> dict[str, str]:
    return {name: value for name, value in problem._asdict().items() if name != "hint" or value}
