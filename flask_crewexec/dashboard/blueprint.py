"""The blueprint of the dashboard; it changes nothing outside of it."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from flask import Blueprint
from flask import current_app
from flask import request

from ..app_state import current_app_state
from ..graphs.importers import MAX_CHARACTERS
from ..web.authentication import authenticate
from ..web.csrf import reject_cross_site
from ..web.problems import handle_errors
from . import link_views
from . import views
from .current_view import ANSWER_VIEWS
from .current_view import BODY_VIEWS
from .current_view import is_link
from .current_view import view_name
from .look import check
from .look import Dashboard
from .look import Link
from .look import Look
from .look import note_name
from .look import SignInUrl
from .look import UserLabel
from .templating import finish

NAME: t.Final = "crewexec_dashboard"
MAX_FORM_BYTES: t.Final = 64 * 1024
_BYTES_PER_CHAR: t.Final = 4
"""Of UTF-8, in forms with the encoding ``multipart/form-data``."""


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
    blueprint = Dashboard(
        NAME,
        __name__,
        url_prefix=url_prefix,
        static_folder="static",
        template_folder="host_templates",
    )
    blueprint.look = look
    blueprint.record(note_name)
    # Before functions of the application, such as those of Flask-WTF, that read forms.
    blueprint.url_value_preprocessor(_limit_form)
    blueprint.url_value_preprocessor(_exempt_links)
    blueprint.before_request(_reject_cross_site)
    blueprint.before_request(_authenticate_pages)
    blueprint.after_request(finish)
    views.add_routes(blueprint)
    link_views.add_routes(blueprint)
    handle_errors(blueprint)
    return blueprint


def _limit_form(endpoint: str | None, values: dict[str, t.Any] | None) -> None:
    """Limit the body, also where the host allows more; and its fields in memory to the same."""
    limit, hosts = MAX_FORM_BYTES, request.max_content_length
    if view_name() in ANSWER_VIEWS:
        limit += _BYTES_PER_CHAR * current_app_state().settings.max_output_chars
    elif view_name() in BODY_VIEWS:
        limit = current_app_state().settings.max_body_bytes
        if view_name() == "import_graph":  # which sends what it has read again, to be stored
            limit += _BYTES_PER_CHAR * MAX_CHARACTERS
    request.max_content_length = limit if hosts is None else min(limit, hosts)
    request.max_form_memory_size = limit


def _reject_cross_site() -> None:
    """Reject forms of other sites, except for links: those sites do not know them.

    Pages of links send no referrer, so browsers name no origin where there is no HTTPS.
    """
    if not is_link():
        reject_cross_site()


def _authenticate_pages() -> None:
    """Authenticate requests, except for links, and static files, which error pages also need."""
    if view_name() != "static" and not is_link():
        authenticate()


def _exempt_links(endpoint: str | None, values: dict[str, t.Any] | None) -> None:
    """Let the host's CSRF protection, if it is Flask-WTF's, accept the forms of links.

    It demands a referrer, which their pages do not send. Their address is the secret.
    """
    exempt = getattr(current_app.extensions.get("csrf"), "exempt", None)
    if exempt is not None and is_link():
        exempt(f"{link_views.__name__}.{link_views.answer_link.__name__}")
