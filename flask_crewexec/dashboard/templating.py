"""Render the dashboard's templates."""

from __future__ import annotations

import datetime as dt
import typing as t
from urllib.parse import urlencode

from flask import current_app
from flask import Flask
from flask import redirect
from flask import request
from flask import Response
from markupsafe import Markup

from ..app_state import current_app_state
from ..config.pricing import money
from ..identity import Identity
from ..per_app import AppLocal
from ..services.input_requests import count_asked
from ..statuses import ExecutionStatus
from ..text import fitted
from . import formatting
from .current_view import is_here
from .current_view import is_link
from .invisible_characters import visible
from .look import current_look
from .look import page_url
from .service_notice import service_notice
from .template_loading import FOLDER
from .template_loading import PageEnvironment

_HEADERS: t.Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_MAX_COUNT: t.Final = 100
_PROBLEM: t.Final = "application/problem+json"


def _csrf_field() -> Markup:
    """Return the hidden field for the host's CSRF protection, if it is like Flask-WTF's."""
    make_token = current_app.jinja_env.globals.get("csrf_token")
    if not callable(make_token):
        return Markup()
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(make_token())


def _offers_webhooks() -> bool:
    """Return whether users may have webhooks, so that pages link to them."""
    return current_app_state().settings.webhooks


def _count_asked(requester: Identity) -> str:
    """Return how many open requests *requester* is asked, as the navigation shows it."""
    count = count_asked(current_app_state(), requester, _MAX_COUNT)
    return f"{_MAX_COUNT - 1}+" if count == _MAX_COUNT else str(count or "")


def _sign_in_place() -> str | None:
    """Return where a person who wants a page must sign in first; None if that is not known."""
    url = current_look().sign_in()
    is_page = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    if url is None or request.method != "GET" or not is_page:
        return None
    wanted = urlencode({"next": request.full_path.rstrip("?")})
    return f"{url}{'&' if '?' in url else '?'}{wanted}"


def _money(amount: float) -> str:
    """Return an amount with the currency of the prices."""
    return money(amount, current_app_state().settings.currency)


def _user_label(user_id: str) -> str:
    """Return the name of a user that the host wants people to see."""
    return current_look().user_label(user_id)


def _as_local(value: dt.datetime | str | None) -> dt.datetime | None:
    """Return a moment from the database or from JSON in the host's time zone."""
    return current_look().local(formatting.as_moment(value))


def _make_environment(app: Flask) -> PageEnvironment:
    environment = PageEnvironment(app)
    for function in (
        formatting.brief,
        formatting.decided,
        formatting.duration,
        fitted,
        formatting.icon,
        formatting.is_cut,
        formatting.pretty,
        formatting.remedy,
        formatting.shown,
        formatting.spoken,
        formatting.symbol,
        visible,
    ):
        environment.filters[function.__name__] = function
    environment.filters.update(
        enumerated=enumerate, local=_as_local, money=_money, user_label=_user_label
    )
    environment.globals.update(
        url_for=page_url,
        csrf_field=_csrf_field,
        current_look=current_look,
        is_here=is_here,
        offers_webhooks=_offers_webhooks,
        count_asked=_count_asked,
        service_notice=service_notice,
        seconds_between=formatting.seconds_between,
        statuses=tuple(ExecutionStatus),
    )
    return environment


_environments: t.Final = AppLocal(_make_environment)


def render(template: str, requester: Identity | None, **values: t.Any) -> str:
    """Return a page, or a part of one, for *requester*."""
    environment = _environments.current()
    context = {"requester": requester, **values}
    if environment.templates.replaced:
        current_app.update_template_context(context)
    return environment.get_template(f"{FOLDER}{template}").render(context)


def finish(response: Response) -> Response:
    """Render problem documents as pages, and add the security headers."""
    if response.status_code == 401 and (place := _sign_in_place()):
        response = t.cast(Response, redirect(place))
    elif response.mimetype == _PROBLEM:
        problem = response.get_json()
        response.set_data(render("problem.html", None, problem=problem, is_link=is_link()))
        response.mimetype = "text/html"
    response.headers.update(_HEADERS)
    if is_link():
        response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "no-store")  # static files have their own
    return response
