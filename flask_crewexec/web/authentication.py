"""Who makes the current request."""

from __future__ import annotations

import typing as t

from flask import g
from flask import request

from ..app_state import AppState
from ..app_state import current_app_state
from ..identity import ANONYMOUS
from ..identity import as_identity
from ..identity import Identity
from ..identity import IdentityLoader
from .problems import Unauthorized


def authenticate() -> None:
    """Find out who asks, before any view runs.

    :raises Unauthorized: if it is nobody.
    """
    if request.method == "OPTIONS":  # browsers ask before they show who they are
        return
    app_state = current_app_state()
    found = [_ask(app_state, loader) for loader in app_state.identity_loaders]
    identity = found[0] if found else None
    if identity is None and app_state.settings.allow_anonymous:
        identity = ANONYMOUS
    if identity is None:
        raise Unauthorized(_WITHOUT_IDENTITY if found else _WITHOUT_LOADER)
    g.crewexec_identity = identity


def _ask(app_state: AppState, loader: IdentityLoader) -> Identity | None:
    """Call the host's loader, and give back the database connection that it may have taken.

    Otherwise each waiting request would hold one, and need another for our own session.
    """
    before = app_state.database.host_session()
    idle = before is None or not before.in_transaction()
    identity = as_identity(loader())
    after = app_state.database.host_session()
    if idle and after is not None:
        after.rollback()
    return identity


def current_identity() -> Identity:
    """Return who makes the current request."""
    return t.cast(Identity, g.crewexec_identity)


_WITHOUT_IDENTITY = "Sign in first: this request does not say who makes it."
_WITHOUT_LOADER = (
    "The application does not say who makes a request. Its developer registers a function with"
    " '@crewexec.identity_loader', or sets 'CREWEXEC_ALLOW_ANONYMOUS = True'."
)
