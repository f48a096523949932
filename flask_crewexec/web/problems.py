"""Errors of the blueprint's views as problem documents (RFC 9457)."""

from __future__ import annotations

import logging
import typing as t
import uuid

from flask import Blueprint
from flask import json
from flask import request
from flask import Response
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from ..app_state import current_app_state
from ..config.security_schemes import challenges
from ..errors import CrewExecError
from ..errors import InputAnswered
from ..errors import Problem
from ..errors import QuotaExceeded
from ..storage.database_errors import is_read_only
from ..storage.database_errors import is_unavailable
from ..storage.database_errors import missing_object

log = logging.getLogger(__name__)

RETRY_SECONDS: t.Final = "5"


class Unauthorized(CrewExecError):
    """The request does not identify a user."""

    code = "unauthorized"
    status = 401
    title = "Authentication required"
    remedy = "Send the credentials that the application expects."


class Forbidden(CrewExecError):
    """The user is not allowed to do this."""

    code = "forbidden"
    status = 403
    title = "Forbidden"
    remedy = "Sign in as a user who is allowed to."


class InvalidUserId(CrewExecError):
    """The id of the user, as the application gives it, is empty, too long or not printable."""

    code = "invalid-user-id"
    status = 403
    title = "Invalid user id"
    remedy = "Developers of the application return a shorter id from the identity loader."


class MalformedJson(CrewExecError):
    """The request body is not valid JSON."""

    code = "malformed-json"
    status = 400
    title = "Malformed JSON"
    remedy = "Correct the body at the place that 'detail' names."


class UnsupportedMediaType(CrewExecError):
    """The content type of the request body is not JSON."""

    code = "unsupported-media-type"
    status = 415
    title = "Unsupported media type"
    remedy = "Send the header 'Content-Type: application/json'."


class NotInstalled(CrewExecError):
    """A package that the route needs is not installed."""

    code = "not-installed"
    status = 501
    title = "Package not installed"
    remedy = "Install the extra that 'detail' names."


class DatabaseUnavailable(CrewExecError):
    """The database did not answer, or accepts no changes at the moment."""

    code = "database-unavailable"
    status = 503
    title = "Database unavailable"
    remedy = "Try again later. Operators look for the correlation id in the log."


class InternalError(CrewExecError):
    """An unexpected exception, which is in the log of the web process."""

    code = "internal-error"
    title = "Internal error"
    remedy = "Operators look for the correlation id in the log."


def handle_errors(blueprint: Blueprint) -> None:
    """Answer every error of the blueprint's views with a problem document."""
    blueprint.register_error_handler(CrewExecError, problem_response)
    blueprint.register_error_handler(HTTPException, _http)
    blueprint.register_error_handler(SQLAlchemyError, _database)
    blueprint.register_error_handler(Exception, _unexpected)


def problem_response(error: CrewExecError) -> Response:
    """Return the problem document of an error."""
    response = _respond(error)
    if isinstance(error, QuotaExceeded):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        for challenge in challenges(current_app_state().settings.security_schemes):
            response.headers.add("WWW-Authenticate", challenge)
    return response


def _http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.response is not None or error.code < 400:
        return error  # a redirect, or a response that the host has made
    response = _document(
        error.code, http_code(error.code), error.name, error.description or error.name
    )
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def http_code(status: int) -> str:
    """Return the code of an error that is only an HTTP status: the name of the status."""
    return HTTP_STATUS_CODES.get(status, "Unknown Error").lower().replace(" ", "-")


def _database(error: SQLAlchemyError) -> Response:
    if is_read_only(error):
        detail = "The database accepts no changes at the moment. Try again later."
        return _logged(DatabaseUnavailable(detail))
    if is_unavailable(error):
        return _logged(DatabaseUnavailable("The database did not answer. Try again later."))
    if missing := missing_object(error):
        log.error(
            "The database has no %s. Run your migrations, or call 'db.create_all()', to create it.",
            missing,
        )
    return _unexpected(error)


def _unexpected(error: Exception) -> Response:
    return _logged(InternalError("An unexpected error occurred. It has been logged."))


def _logged(error: CrewExecError) -> Response:
    """Log the current exception; the client receives only *error* and the correlation id."""
    correlation_id = uuid.uuid4().hex
    log.exception("%s %s failed (correlation id %s).", request.method, _path(), correlation_id)
    return _respond(error, correlation_id=correlation_id)


def _path() -> str:
    """Return the path for the log: of a signed link only the rule, since its token is a secret."""
    rule = request.url_rule
    return rule.rule if rule is not None and "token" in rule.arguments else request.path


def _respond(error: CrewExecError, **members: object) -> Response:
    if error.problems:
        members["errors"] = [_item(problem) for problem in error.problems]
    if error.notes:
        members["notes"] = [note._asdict() for note in error.notes]
    if isinstance(error, InputAnswered):
        members["input_request"] = error.input_request
    return _document(error.status, error.code, error.title, error.detail, **members)


def _document(status: int, code: str, title: str, detail: str, **members: object) -> Response:
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "instance": request.path,
        **members,
    }
    headers = {"Retry-After": RETRY_SECONDS} if status == 503 else {}
    return Response(json.dumps(body), status, headers, content_type="application/problem+json")


def _item(problem: Problem) -> dict[str, str]:
    return {name: value for name, value in problem._asdict().items() if name != "hint" or value}
