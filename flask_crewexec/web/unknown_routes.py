"""Answers to requests below the prefix that no route takes: problem documents for 404 and 405.

Flask finds the route before it knows the blueprint, so its own errors are for the application's
error handlers, which are the host's. Therefore the blueprint has a route for every other path.
"""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import current_app
from flask import Flask
from flask import request
from flask import Response
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map
from werkzeug.routing import MapAdapter

from ..per_app import AppLocal

_NAME: t.Final = "unknown"
ENDPOINT: t.Final = f"crewexec.{_NAME}"
_METHODS: t.Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def add_routes(blueprint: Blueprint) -> None:
    """Add the route for every other path and method to *blueprint*."""
    blueprint.before_request(_answer_options)
    for path in ("", "/", "/<path:path>"):
        blueprint.add_url_rule(path, _NAME, _unknown, methods=_METHODS)


def _known_routes(app: Flask) -> Map:
    """Return the routes of the application without ours for every other path."""
    rules = [rule.empty() for rule in app.url_map.iter_rules() if rule.endpoint != ENDPOINT]
    converters = app.url_map.converters
    return Map(rules, converters=converters, host_matching=app.url_map.host_matching)


_routes: t.Final = AppLocal(_known_routes)


def _adapter() -> MapAdapter:
    return _routes.current().bind_to_environ(request.environ)


def _unknown(**path: str) -> t.NoReturn:
    """Raise what Flask would raise without this route.

    :raises werkzeug.exceptions.NotFound: if there is no route for the path.
    :raises werkzeug.exceptions.MethodNotAllowed: if there is one for other methods.
    """
    _adapter().match()
    raise NotFound


def _answer_options() -> Response | None:
    """Answer ``OPTIONS`` with the methods of the route, without those of the route for others."""
    if request.method != "OPTIONS" or request.endpoint == ENDPOINT:
        return None
    response = current_app.make_default_options_response()
    response.allow.clear()
    response.allow.update(_adapter().allowed_methods())
    return response
