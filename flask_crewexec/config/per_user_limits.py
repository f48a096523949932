"""Limits per user: the same number for all, or a function of the user."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConfigError

PerUserLimit = int | Callable[[str], int | None] | None
"""A number for all users, a function from a user's id to a number, or None for no limit."""


def validate_limit(key: str, value: object) -> None:
    """Check the value of the setting *key*.

    :raises ConfigError: if it is not a limit.
    """
    if not (value is None or callable(value) or _is_number(value)):
        raise ConfigError(
            f"'{key}' must be an integer greater than zero, a function that takes a user's id and"
            f" returns one, or None; it is {value!r}."
        )


def resolve_limit(key: str, limit: PerUserLimit, user_id: str) -> int | None:
    """Return the limit of a user, or None if there is none.

    Call it without an open session, because the host's function may be slow.

    :raises ConfigError: if the host's function returns anything else.
    """
    value = limit(user_id) if callable(limit) else limit
    if value is None or _is_number(value):
        return value
    raise ConfigError(
        f"The function in '{key}' must return an integer greater than zero, or None; it returned"
        f" {value!r}."
    )


def _is_number(value: object) -> bool:
    return type(value) is int and value > 0
