"""Whom input requests ask, as a function of the host says."""

from __future__ import annotations

import dataclasses
import inspect
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping

from ..identity import normalize_roles
from ..identity import normalize_user_id

MAX_ASSIGNEES: t.Final = 100
MAX_NAME: t.Final = 255


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """What an execution is about to ask people."""

    kind: str
    """``"review"``, ``"approval"``, ``"question"``, or ``"outcome"`` of an interrupted call."""
    step: str
    """Name of the step that asks."""
    message: str | None
    """What the graph tells those who are asked, or the question."""
    draft: Mapping[str, t.Any] | None
    """``{"text", "value"?}``: what is reviewed."""
    tool: str | None
    """Name of the tool whose call waits."""
    arguments: Mapping[str, t.Any] | None
    """Its arguments."""
    four_eyes: bool
    """Whether the owner of the execution may not answer."""
    users: Collection[str]
    """Ids of the users whom the graph or the tool names."""
    roles: Collection[str]
    """Roles that the graph or the tool names. Without users and roles, it is the owner."""


class Assignees(t.TypedDict, total=False):
    """Who is asked: at least one user or role. The owner of the execution is asked if named."""

    users: Collection[str | int | uuid.UUID]
    """Ids of users."""
    roles: Collection[str]
    """Roles of users."""


AssignFunction = Callable[[Question], Assignees | None]
"""Returns who is asked; None leaves it to the graph."""


def read_assignees(returned: object) -> tuple[list[str], list[str]]:
    """Return the users and roles that a function of the host has returned.

    :raises TypeError: if it is no :class:`Assignees`.
    :raises ValueError: if a name cannot be stored, or there are too many or none.
    """
    if not isinstance(returned, Mapping) or returned.keys() - {"users", "roles"}:
        raise TypeError(f"Return {{'users': […], 'roles': […]}} or None, not {returned!r}.")
    users = [normalize_user_id(each) for each in _items(returned.get("users", ()))]
    roles = sorted(normalize_roles(_items(returned.get("roles", ()))))
    if not users and not roles:
        raise ValueError("Name somebody, or return None to ask those whom the graph names.")
    if len(users) + len(roles) > MAX_ASSIGNEES:
        raise ValueError(f"At most {MAX_ASSIGNEES} users and roles can be asked.")
    check_role_names(roles)
    return list(dict.fromkeys(users)), roles


def check_role_names(roles: Iterable[str]) -> None:
    """Check that requests can be stored with these roles.

    :raises ValueError: if not.
    """
    if any(not 0 < len(role) <= MAX_NAME for role in roles):
        raise ValueError(f"A role has from 1 to {MAX_NAME} characters.")


def check_assign_function(function: object) -> None:
    """Check that a function can be called with a question.

    :raises ValueError: if not.
    """
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise ValueError(f"An ordinary function says who is asked, not {function!r}.")
    try:
        inspect.signature(function).bind("question")
    except TypeError as error:
        raise ValueError(
            f"The function that says who is asked is called with a question: {error}."
        ) from error


def _items(names: object) -> Collection[t.Any]:
    if isinstance(names, str) or not isinstance(names, Collection):
        raise TypeError(f"Users and roles are lists, not {names!r}.")
    return names
