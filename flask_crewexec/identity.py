"""Who asks: what a host's identity loader returns."""

from __future__ import annotations

import dataclasses
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Collection

MAX_USER_ID: t.Final = 255


def normalize_user_id(user_id: object) -> str:
    """Return a user's id as we store it.

    :raises TypeError: if it is no text, number or UUID: anything else could stand for nobody.
    :raises ValueError: if it is empty or too long.
    """
    if isinstance(user_id, bool) or not isinstance(user_id, str | int | uuid.UUID):
        raise TypeError(f"A user id is text, a whole number or a UUID, not {user_id!r}.")
    text = str(user_id)
    if not 0 < len(text) <= MAX_USER_ID or not text.isprintable():
        raise ValueError(f"A user id has from 1 to {MAX_USER_ID} printable characters: {text!r}.")
    return text


def normalize_roles(roles: Collection[str]) -> frozenset[str]:
    """Return *roles* as a set.

    :raises TypeError: if they are no collection of texts: one text would be taken for letters.
    """
    if isinstance(roles, str) or not all(isinstance(role, str) for role in roles):
        raise TypeError(f"Roles are a collection of texts, such as {{'editor'}}, not {roles!r}.")
    return frozenset(roles)


def optional_roles(roles: Collection[str] | None) -> frozenset[str] | None:
    """Return the *roles* that something is for; None is for everybody."""
    return None if roles is None else normalize_roles(roles)


@dataclasses.dataclass(frozen=True)
class Identity:
    """The user behind a request."""

    user_id: str
    """Anything that names a user; numbers and UUIDs become text."""
    may_manage_others: bool = False
    """Whether this user sees and cancels everybody's executions."""
    roles: Collection[str] = frozenset()
    """What this user is, for tools and models that are for some roles only."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "user_id", normalize_user_id(self.user_id))
        object.__setattr__(self, "roles", normalize_roles(self.roles))


ANONYMOUS: t.Final = Identity("anonymous")
"""Everybody, where the host has switched anonymous use on."""


LoaderResult = Identity | str | int | uuid.UUID | None
IdentityLoader = Callable[[], LoaderResult]


def as_identity(loaded: LoaderResult) -> Identity | None:
    """Return what a loader returned as an identity; a bare user id means an ordinary user.

    :raises TypeError: if the loader returned something that names nobody for sure.
    """
    if loaded is None or isinstance(loaded, Identity):
        return loaded
    return Identity(normalize_user_id(loaded))
