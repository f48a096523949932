"""Authentication of requests by the host's identity loader."""

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
from ..identity import UserIdRefused
from .problems import Forbidden
from .problems import InvalidUserId
from .problems import Unauthorized


def authenticate() -> None:
    """Identify the user of the current request, before any view runs.

    :raises Unauthorized: if there is none.
    :raises InvalidUserId: if the id of the user cannot be stored.
    """
    if request.method == "OPTIONS":  # browsers send preflight requests without credentials
        return
    app_state = current_app_state()
    try:
        loaded = [_load(app_state, loader) for loader in app_state.identity_loaders]
    except UserIdRefused as error:
        raise InvalidUserId(str(error)) from error
    identity = loaded[0] if loaded else None
    if identity is None and app_state.settings.allow_anonymous:
        identity = ANONYMOUS
    if identity is None:
        raise Unauthorized(_NO_IDENTITY if loaded else _NO_LOADER)
    g.crewexec_identity = identity


def _load(app_state: AppState, loader: IdentityLoader) -> Identity | None:
    """Call the host's loader, and release the database connection that it may have taken.

    Otherwise each waiting request would hold that connection and need another for our session.
    """
    before = app_state.database.host_session()
    idle = before is None or not before.in_transaction()
    identity = as_identity(loader())
    after = app_state.database.host_session()
    if idle and after is not None:
        after.rollback()
    return identity


def current_identity() -> Identity:
    """Return the user of the current request."""
    return t.cast(Identity, g.crewexec_identity)


def require_manager(action: str) -> Identity:
    """Return the user of the current request, who must be a manager.

    :param action: what only managers can do, such as ``"see the queues"``.
    :raises Forbidden: for ordinary users.
    """
    requester = current_identity()
    if not requester.may_manage_others:
        raise Forbidden(f"Only users who may manage others' executions can {action}.")
    return requester


_NO_IDENTITY = "Sign in first: this request does not identify a user."
_NO_LOADER = (
    "The application has no identity loader. Its developer registers a function with"
    " '@crewexec.identity_loader', or sets 'CREWEXEC_ALLOW_ANONYMOUS = True'."
)
