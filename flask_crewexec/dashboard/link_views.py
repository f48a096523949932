"""Pages that signed links lead to. To open one changes nothing: mail scanners open links, too."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import g
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..errors import InputAnswered
from ..errors import InputGone
from ..errors import InvalidRequest
from ..identity import Identity
from ..services.input_links import answer_linked
from ..services.input_links import Link
from ..services.input_links import read_link
from ..services.input_links import require_open
from ..services.input_requests import read_request
from ..web.authentication import authenticate
from ..web.authentication import current_identity
from ..web.problems import Forbidden
from .answer_forms import read_answer
from .answer_forms import read_entered
from .input_views import view_of
from .templating import render

Json = dict[str, t.Any]


def show_link(token: str) -> str:
    """Show the request of a link, with its forms."""
    link, user = _open(token)
    asked = read_request(current_app_state(), link.request_id, user)
    _require_open(asked)
    return _render(token, asked, user)


def answer_link(token: str) -> ResponseReturnValue:
    """Answer the request of a link, and say so."""
    link, user = _open(token)
    app_state, entered = current_app_state(), read_entered(request.form)
    asked = read_request(app_state, link.request_id, user)
    try:
        given = read_answer(asked, entered)
        answered = answer_linked(app_state, link, user, given)
    except InvalidRequest as error:
        _require_open(asked)
        form = {"entered": entered, "problems": error.problems}
        return _render(token, asked, user, **form), error.status
    except InputAnswered as error:
        raise InputGone(error.detail) from error
    return render("link_answered.html", None, asked=answered.request)


def _open(token: str) -> tuple[Link, Identity]:
    """Return a link, and the person who may answer with it."""
    link = read_link(token)
    g.crewexec_identity = link.user
    _limit_rate()
    asked = read_request(current_app_state(), link.request_id, link.user)
    return link, _signed_in(link) if asked["four_eyes"] else link.user


def _signed_in(link: Link) -> Identity:
    """Return the person of the link, who must have signed in.

    :raises Unauthorized: if nobody has.
    :raises Forbidden: if somebody else has.
    """
    authenticate()
    user = current_identity()
    if user.user_id != link.user.user_id:
        raise Forbidden("This link is for another user. Sign in as the user to whom it was sent.")
    return user


def _limit_rate() -> None:
    """Count the request for the person of the link, if the host limits requests."""
    if current_app_state().settings.requests_per_minute is not None:
        from ..web.rate_limit import limit_rate  # needs an extra

        limit_rate()


def _require_open(asked: Json) -> None:
    """Check that nothing was decided, which makes a link void."""
    try:
        require_open(asked)
    except InputAnswered as error:
        raise InputGone(error.detail) from error


def _render(token: str, asked: Json, user: Identity, **form: t.Any) -> str:
    action = url_for(".answer_link", token=token)
    view = view_of(asked, user, **form)
    return render("link.html", None, view=view, action=action, user_id=user.user_id)


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages to *blueprint*."""
    blueprint.get("/links/<token>")(show_link)
    blueprint.post("/links/<token>")(answer_link)
