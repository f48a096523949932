"""The blueprint of the dashboard; it changes nothing outside of it."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from flask import Blueprint
from flask import request

from ..app_state import current_app_state
from ..web.authentication import authenticate
from ..web.csrf import reject_cross_site
from ..web.problems import handle_errors
from . import views
from .look import check
from .look import Dashboard
from .look import Link
from .look import Look
from .look import SignInUrl
from .look import UserLabel
from .templating import finish

NAME: t.Final = "crewexec_dashboard"
MAX_FORM_BYTES: t.Final = 64 * 1024
_BYTES_PER_CHAR: t.Final = 4
"""Of UTF-8, in forms with the encoding ``multipart/form-data``."""
_LONG_FORMS: t.Final = frozenset({"answer_request"})
"""Views whose forms contain the answer of a step."""


def create_dashboard(
    url_prefix: str = "/crewexec-dashboard",
    *,
    title: str = "Crews",
    sign_in_url: SignInUrl | None = None,
    user_label: UserLabel = str,
    links: Sequence[Link] = (),
    time_zone: str = "UTC",
) -> Blueprint:
    """Return a blueprint with pages to watch executions, which the host registers::

        app.register_blueprint(create_dashboard())

    The identity loader identifies the user, as for the API, and users see only what the API would
    show them. Forms of other sites are rejected; if the host uses Flask-WTF's ``CSRFProtect``, our
    forms carry its token.

    :param title: name of the pages, on top of each and in its title.
    :param sign_in_url: address of the host's sign-in page, or a function that returns it. Who is
        not signed in is sent there, with the address of the wanted page in ``next``.
    :param user_label: returns the name of a user from the id; called for each user on a page.
    :param links: texts and addresses of the host's own pages, for the navigation.
    :param time_zone: name of the time zone in which times are shown, such as ``"Europe/Berlin"``.
    :raises ConfigError: if a value cannot be used.
    """
    look = Look(
        title=title,
        sign_in_url=sign_in_url,
        user_label=user_label,
        links=tuple(links),
        time_zone=time_zone,
    )
    check(look)
    blueprint = Dashboard(NAME, __name__, url_prefix=url_prefix, static_folder="static")
    blueprint.look = look
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
