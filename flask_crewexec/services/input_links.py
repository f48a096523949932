"""Signed links: one person answers one input request without signing in.

A link is a secret that its receiver has by mail or chat. It names the person and the request, and
each round of a review is a request of its own. Nothing of it is stored: it is void once the request
is decided, or when it expires.
"""

from __future__ import annotations

import contextlib
import typing as t

from flask import current_app
from itsdangerous import BadSignature
from itsdangerous import URLSafeSerializer
from sqlalchemy.exc import IntegrityError

from .. import clock
from ..app_state import AppState
from ..errors import ConfigError
from ..errors import FourEyes
from ..errors import InputGone
from ..errors import InvalidRequest
from ..errors import NotAsked
from ..errors import NotFound
from ..errors import Problem
from ..identity import Identity
from ..identity import IdentityLike
from ..identity import require_identity
from ..notifications.links import address_of
from ..storage.execution_queries import Id
from ..storage.input_requests import Found
from ..storage.input_requests import store_link
from .answer_rights import Answerer
from .answer_rights import find_refusal
from .input_answers import answer
from .input_answers import Answered
from .input_answers import require_open
from .input_requests import dump_request
from .input_requests import find_request

Json = dict[str, t.Any]

VIEW: t.Final = "crewexec_dashboard.show_link"
"""Endpoint of the page that links lead to."""
DEFAULT_SECONDS: t.Final = 7 * 24 * 3600
_PURPOSE: t.Final = "flask-crewexec input link"
"""Tells these signatures from others with the same key."""
_FORM_PURPOSE: t.Final = "flask-crewexec form of an input link"


class Link(t.NamedTuple):
    """What a link says."""

    request_id: str
    user: Identity
    """Whose link it is, with those of their roles that the request asks."""
    issued_by: str | None
    """Who has issued it; None if the application did."""
    expires_at: int
    """Unix time in seconds."""


def make_link(
    app_state: AppState,
    id: Id,
    user: IdentityLike,
    *,
    issued_by: str | None = None,
    expires_in: float = DEFAULT_SECONDS,
) -> str:
    """Return the address at which *user* can answer a request.

    :raises ConfigError: if the application has no dashboard or no ``SECRET_KEY``.
    :raises NotFound: if there is no such request.
    :raises NotAsked: if it asks others than this user.
    :raises FourEyes: if it needs another person than this user.
    :raises InputAnswered: if it was answered before.
    :raises InputGone: if it has expired, or is not asked any more.
    :raises InvalidRequest: if *expires_in* is not greater than zero and finite.
    """
    if not 0 < expires_in < float("inf"):
        detail = "Say in how many seconds, more than zero, the link expires."
        raise InvalidRequest(detail, [Problem("/expires_in", "invalid-value", detail)])
    with app_state.database.read_session() as session:
        found = find_request(session, app_state, id, None)
    person = _as_asked(found, require_identity(user))
    if refusal := find_refusal(found, Answerer(person, issued_by=issued_by)):
        raise _as_refused_link(refusal, person)
    require_open(dump_request(app_state, found, None), None)
    if not found.may_have_link(person):
        _store(app_state, found, person)
    expires_at = int(clock.now().timestamp() + expires_in)
    link = Link(str(found.request.id), person, issued_by, expires_at)
    return address_of(_endpoint(), token=_sign(link))


def _as_refused_link(refusal: NotAsked | FourEyes, person: Identity) -> NotAsked | FourEyes:
    """Return the error for a link that its person could not use."""
    if isinstance(refusal, FourEyes):
        return FourEyes(f"There is no link for '{person.user_id}'. {refusal.detail}")
    return NotAsked(
        f"'{person.user_id}' may not answer this request, so there is no link. Name one of those"
        " whom it asks; if it asks roles, pass an 'Identity' with the role."
    )


def _store(app_state: AppState, found: Found, person: Identity) -> None:
    """Store for whom a link is issued, unless another one is at this moment."""
    with contextlib.suppress(IntegrityError), app_state.database.write_transaction() as session:
        store_link(session, app_state.models, found, person)


def read_link(token: str) -> Link:
    """Return what a link says.

    :raises NotFound: if nobody has issued it.
    :raises InputGone: if it has expired.
    """
    try:
        request_id, user_id, roles, issued_by, expires_at = _signer(_PURPOSE).loads(token)
    except BadSignature as error:
        raise NotFound("There is no such link. Open it as it was sent to you.") from error
    if clock.now().timestamp() >= expires_at:
        raise InputGone("This link has expired.")
    return Link(request_id, Identity(user_id, roles=roles), issued_by, expires_at)


def make_form_key(link: Link) -> str:
    """Return what the forms on the page of a link contain, and only that page shows.

    Who has issued a link knows its address, so that is no proof that its person has sent a form.
    """
    return str(_signer(_FORM_PURPOSE).dumps([link.request_id, link.user.user_id]))


def is_form_key(link: Link, given: str) -> bool:
    """Return whether a form was on the page of the link."""
    try:
        content = _signer(_FORM_PURPOSE).loads(given)
    except BadSignature:
        return False
    return bool(content == [link.request_id, link.user.user_id])


def check_link(app_state: AppState, link: Link) -> None:
    """Check that the person of a link is still known.

    :raises NotFound: if their data was erased, or the request is none of theirs.
    """
    with app_state.database.read_session() as session:
        found = find_request(session, app_state, link.request_id, link.user)
    if not found.may_have_link(link.user):
        raise NotFound("There is no such link. Open it as it was sent to you.")


def answer_linked(app_state: AppState, link: Link, user: Identity, given: Json) -> Answered:
    """Answer the request of a link.

    :param user: the person of the link, as they have signed in if the request demands that.
    :raises CrewExecError: what :func:`~flask_crewexec.services.input_answers.answer` raises.
    """
    who = Answerer(user, issued_by=link.issued_by)
    return answer(app_state, link.request_id, who, given)


def _as_asked(found: Found, user: Identity) -> Identity:
    """Return a person with no more rights than they need to answer."""
    roles = {each.name for each in found.assignees if each.kind == "role"}
    return Identity(user.user_id, roles=roles & set(user.roles))


def _sign(link: Link) -> str:
    user = link.user
    content = [link.request_id, user.user_id, sorted(user.roles), link.issued_by, link.expires_at]
    return str(_signer(_PURPOSE).dumps(content))


def _signer(purpose: str) -> URLSafeSerializer:
    """Return what signs with the host's key, and accepts former ones."""
    key, config = current_app.secret_key, current_app.config
    if not key:
        raise ConfigError("Links need 'SECRET_KEY': set it to the same value in all processes.")
    return URLSafeSerializer([*(config["SECRET_KEY_FALLBACKS"] or ()), key], salt=purpose)


def _endpoint() -> str:
    """Return the endpoint of the page, wherever the host has registered the dashboard."""
    for endpoint in current_app.view_functions:
        if f".{endpoint}".endswith(f".{VIEW}"):
            return endpoint
    raise ConfigError(
        "The application has no dashboard, so links would lead nowhere. Register it in all"
        " processes: 'app.register_blueprint(create_dashboard())'."
    )
