"""The blueprint of the dashboard; it changes nothing outside of it."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import request

from ..app_state import current_app_state
from ..web.authentication import authenticate
from ..web.csrf import reject_cross_site
from ..web.problems import handle_errors
from . import views
from .templating import finish

NAME: t.Final = "crewexec_dashboard"
MAX_FORM_BYTES: t.Final = 64 * 1024
_BYTES_PER_CHAR: t.Final = 4
"""Of UTF-8, in forms with the encoding ``multipart/form-data``."""
_LONG_FORMS: t.Final = frozenset({"answer_request"})
"""Views whose forms contain the answer of a step."""


def create_dashboard(url_prefix: str = "/crewexec-dashboard") -> Blueprint:
    """Return a blueprint with pages to watch executions, which the host registers::

        app.register_blueprint(create_dashboard())

    The identity loader identifies the user, as for the API, and users see only what the API would
    show them. Forms of other sites are rejected; if the host uses Flask-WTF's ``CSRFProtect``, our
    forms carry its token.
    """
    blueprint = Blueprint(NAME, __name__, url_prefix=url_prefix, static_folder="static")
    blueprint.before_request(_limit_form)
    blueprint.before_request(reject_cross_site)
    blueprint.before_request(_authenticate_pages)
    blueprint.after_request(finish)
    views.add_routes(blueprint)
    handle_errors(blueprint)
    return blueprint


def _limit_form() -> None:
    """Limit the body, also where the host allows more; and its fields in memory to the same."""
    limit, hosts = MAX_FORM_BYTES, request.max_content_length
    if _view_name() in _LONG_FORMS:
        limit += _BYTES_PER_CHAR * current_app_state().settings.max_output_chars
    request.max_content_length = limit if hosts is None else min(limit, hosts)
    request.max_form_memory_size = limit


def _view_name() -> str:
    return (request.endpoint or "").rpartition(".")[2]


def _authenticate_pages() -> None:
    """Authenticate requests, except for static files, which error pages also need."""
    if _view_name() != "static":
        authenticate()
