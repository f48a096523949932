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
from ..errors import NotFound
from ..identity import Identity
from ..services.input_answers import require_open
from ..services.input_links import answer_linked
from ..services.input_links import check_link
from ..services.input_links import is_form_key
from ..services.input_links import Link
from ..services.input_links import make_form_key
from ..services.input_links import read_link
from ..services.input_requests import read_request
from ..web.authentication import authenticate
from ..web.authentication import current_identity
from ..web.problems import Forbidden
from .answer_forms import read_answer
from .answer_forms import read_entered
from .input_views import view_of
from .templating import render

Json = dict[str, t.Any]

_ALL_METHODS: t.Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")


def show_link(token: str) -> str:
    """Show the request of a link, with its forms."""
    link, user = _open(token)
    asked = read_request(current_app_state(), link.request_id, user)
    _require_open(asked, user)
    return _render(token, link, asked, user)


def answer_link(token: str) -> ResponseReturnValue:
    """Answer the request of a link, and say so."""
    link, user = _open(token)
    app_state, entered = current_app_state(), read_entered(request.form)
    asked = read_request(app_state, link.request_id, user)
    _require_own_form(link, asked)
    try:
        given = read_answer(asked, entered)
        answered = answer_linked(app_state, link, user, given)
    except InvalidRequest as error:
        _require_open(asked, user)
        form = {"entered": entered, "problems": error.problems}
        return _render(token, link, asked, user, **form), error.status
    except InputAnswered as error:
        raise InputGone(error.detail) from error
    return render("link_answered.html", None, asked=answered.request)


def refuse_link(token: str) -> t.NoReturn:
    """Refuse other addresses and methods here, so that their answers keep the address secret, too.

    :raises NotFound: always.
    """
    raise NotFound("There is no such link. Open it as it was sent to you.")


def _open(token: str) -> tuple[Link, Identity]:
    """Return a link, and the person who may answer with it."""
    link = read_link(token)
    g.crewexec_identity = link.user
    _limit_rate()
    check_link(current_app_state(), link)
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


def _require_own_form(link: Link, asked: Json) -> None:
    """Check that a form is from the page of the link, if its person has signed in for it.

    The browser would also sign them in for the form of another page, and who has issued the link
    can make one. Without signing in, the address is the only secret.

    :raises Forbidden: if it is not.
    """
    if asked["four_eyes"] and not is_form_key(link, request.form.get("form_key", "")):
        raise Forbidden("This form is from another page. Open the link, and use its buttons.")


def _limit_rate() -> None:
    """Count the request for the person of the link, if the host limits requests."""
    if current_app_state().settings.requests_per_minute is not None:
        from ..web.rate_limit import limit_rate  # needs an extra

        limit_rate()


def _require_open(asked: Json, user: Identity) -> None:
    """Check that nothing was decided, which makes a link void."""
    try:
        require_open(asked, user)
    except InputAnswered as error:
        raise InputGone(error.detail) from error


def _render(token: str, link: Link, asked: Json, user: Identity, **form: t.Any) -> str:
    values = {
        "view": view_of(asked, user, **form),
        "action": url_for(".answer_link", token=token),
        "form_key": make_form_key(link) if asked["four_eyes"] else "",
        "user_id": user.user_id,
    }
    return render("link.html", None, **values)


def add_routes(blueprint: Blueprint) -> None:
    """Add the pages to *blueprint*."""
    blueprint.get("/links/<token>")(show_link)
    blueprint.post("/links/<token>")(answer_link)
    blueprint.route("/links/<path:token>", methods=_ALL_METHODS)(refuse_link)
