"""Who asks: what a host's identity loader returns."""

from __future__ import annotations

import dataclasses
import typing as t
import uuid
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Identity:
    """The user behind a request."""

    user_id: str
    may_manage_others: bool = False
    """Whether this user sees and cancels everybody's executions."""


Loaded = Identity | str | int | uuid.UUID | None
IdentityLoader = Callable[[], Loaded]

ANONYMOUS: t.Final = Identity("anonymous")
"""Everybody, where the host has switched anonymous use on."""


def as_identity(loaded: Loaded) -> Identity | None:
    """Return what a loader returned as an identity; a bare user id means an ordinary user."""
    if loaded is None or isinstance(loaded, Identity):
        return loaded
    return Identity(str(loaded))
