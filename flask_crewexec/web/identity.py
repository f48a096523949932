"""Who makes the current request."""

from __future__ import annotations

import typing as t

from flask import g

from ..binding import current_binding
from ..identity import ANONYMOUS
from ..identity import as_identity
from ..identity import Identity
from .problems import Unauthorized


def identify() -> None:
    """Find out who asks, before any view runs.

    :raises Unauthorized: if it is nobody.
    """
    binding = current_binding()
    found = [as_identity(load()) for load in binding.identity_loaders]
    identity = found[0] if found else None
    if identity is None and binding.settings.allow_anonymous:
        identity = ANONYMOUS
    if identity is None:
        raise Unauthorized(_WITHOUT_IDENTITY if found else _WITHOUT_LOADER)
    g.crewexec_identity = identity


def current_identity() -> Identity:
    """Return who makes the current request."""
    return t.cast(Identity, g.crewexec_identity)


_WITHOUT_IDENTITY = "Sign in first: this request does not say who makes it."
_WITHOUT_LOADER = (
    "The application does not say who makes a request. Its developer registers a function with"
    " '@crewexec.identity_loader', or sets 'CREWEXEC_ALLOW_ANONYMOUS = True'."
)
