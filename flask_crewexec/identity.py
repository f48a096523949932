"""Identities of users, as a host's identity loader returns them."""

from __future__ import annotations

import dataclasses
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Collection

MAX_USER_ID: t.Final = 255
_SHOWN: t.Final = 20
"""How many characters of an id that is refused are shown."""


class UserIdRefused(ValueError):
    """A user id that cannot be stored."""


def normalize_user_id(user_id: object) -> str:
    """Return a user's id as it is stored.

    :raises TypeError: if it is not a text, a whole number or a UUID.
    :raises UserIdRefused: if it is empty, too long or not printable.
    """
    if isinstance(user_id, bool) or not isinstance(user_id, str | int | uuid.UUID):
        raise TypeError(f"A user id is text, a whole number or a UUID, not {user_id!r}.")
    text = str(user_id)
    if not 0 < len(text) <= MAX_USER_ID or not text.isprintable():
        start = repr(text[:_SHOWN])
        raise UserIdRefused(
            f"A user id has from 1 to {MAX_USER_ID} printable characters; this one has {len(text)}"
            f" and begins with {start}."
        )
    return text


def normalize_roles(roles: Collection[str]) -> frozenset[str]:
    """Return *roles* as a set.

    :raises TypeError: if they are not a collection of texts; a single text would be read as
        letters.
    """
    if isinstance(roles, str) or not all(isinstance(role, str) for role in roles):
        raise TypeError(f"Roles are a collection of texts, such as {{'editor'}}, not {roles!r}.")
    return frozenset(roles)


def optional_roles(roles: Collection[str] | None) -> frozenset[str] | None:
    """Return *roles* as a set; None means that there is no restriction."""
    return None if roles is None else normalize_roles(roles)


@dataclasses.dataclass(frozen=True)
class Identity:
    """The user of a request."""

    user_id: str
    """Id of the user; numbers and UUIDs are converted to text."""
    may_manage_others: bool = False
    """Whether this user may see and change the executions and graphs of all users."""
    roles: Collection[str] = frozenset()
    """Roles of the user, for tools and models that are restricted to some roles."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "user_id", normalize_user_id(self.user_id))
        object.__setattr__(self, "roles", normalize_roles(self.roles))


ANONYMOUS: t.Final = Identity("anonymous")
"""The user of all requests without an identity, if anonymous use is enabled."""


IdentityLike = Identity | str | int | uuid.UUID
"""A user, or the id of an ordinary one."""
LoaderResult = IdentityLike | None
IdentityLoader = Callable[[], LoaderResult]


def as_identity(loaded: LoaderResult) -> Identity | None:
    """Return the result of a loader as an identity; a user id means an ordinary user.

    :raises TypeError: if the result is not an identity or a user id.
    """
    if loaded is None or isinstance(loaded, Identity):
        return loaded
    return Identity(normalize_user_id(loaded))


def require_identity(user: IdentityLike) -> Identity:
    """Return *user* as an identity.

    :raises TypeError: if it is neither an identity nor a user id; None would mean everybody.
    :raises UserIdRefused: if it is an id that cannot be stored.
    """
    identity = as_identity(user)
    if identity is None:
        raise TypeError("A user is needed, not None: let visitors sign in first.")
    return identity
