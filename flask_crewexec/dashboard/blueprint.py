"""The dashboard as a blueprint that touches nothing of the host."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import request

from ..web.authentication import authenticate
from ..web.csrf import reject_cross_site
from ..web.problems import handle_errors
from . import views
from .templating import finish

NAME: t.Final = "crewexec_dashboard"
MAX_FORM_BYTES: t.Final = 64 * 1024


def create_dashboard(url_prefix: str = "/crewexec-dashboard") -> Blueprint:
    """Return pages to watch executions, to be registered by the host::

        app.register_blueprint(create_dashboard())

    The identity loader says who asks, as for the API; nobody sees what the API would not show.
    The pages run under the host's session. Forms of other sites are refused, and if the host
    uses Flask-WTF's ``CSRFProtect`` the forms carry its token.
    """
    blueprint = Blueprint(NAME, __name__, url_prefix=url_prefix, static_folder="static")
    blueprint.before_request(_limit_form)
    blueprint.before_request(reject_cross_site)
    blueprint.before_request(_identify_for_pages)
    blueprint.after_request(finish)
    views.add_routes(blueprint)
    handle_errors(blueprint)
    return blueprint


def _limit_form() -> None:
    hosts = request.max_content_length
    request.max_content_length = MAX_FORM_BYTES if hosts is None else min(MAX_FORM_BYTES, hosts)


def _identify_for_pages() -> None:
    """Find out who asks, except for style and scripts, which the page for nobody needs, too."""
    if request.endpoint != f"{request.blueprint}.static":
        authenticate()
