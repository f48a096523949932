"""Limits per user: the same number for all, or a function of the user."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..errors import ConfigError
from ..statuses import PRIORITIES

PerUserLimit = int | Callable[[str], int | None] | None
"""A number for all users, a function from a user's id to a number, or None for no limit."""


def validate_limit(key: str, value: object, highest: float = math.inf) -> None:
    """Check the value of the setting *key*.

    :raises ConfigError: if it is not a limit.
    """
    if not (value is None or callable(value) or _is_number(value, highest)):
        raise ConfigError(
            f"'{key}' must be {_described(highest)}, a function that takes a user's id and"
            f" returns one, or None; it is {value!r}."
        )


def validate_priority(key: str, value: object) -> None:
    """Check the value of a setting that limits a priority.

    :raises ConfigError: if it is not a limit from 1 to 10.
    """
    validate_limit(key, value, max(PRIORITIES))


def resolve_limit(
    key: str, limit: PerUserLimit, user_id: str, highest: float = math.inf
) -> int | None:
    """Return the limit of a user, or None if there is none.

    Call it without an open session, because the host's function may be slow.

    :raises ConfigError: if the host's function returns anything else.
    """
    value = limit(user_id) if callable(limit) else limit
    if value is None or _is_number(value, highest):
        return value
    raise ConfigError(
        f"The function in '{key}' must return {_described(highest)}, or None; it returned"
        f" {value!r}."
    )


def resolve_priority(key: str, limit: PerUserLimit, user_id: str) -> int:
    """Return the most urgent priority that a user may use.

    :raises ConfigError: if the host's function returns anything else.
    """
    return resolve_limit(key, limit, user_id, max(PRIORITIES)) or min(PRIORITIES)


def _is_number(value: object, highest: float) -> bool:
    return type(value) is int and 0 < value <= highest


def _described(highest: float) -> str:
    return (
        "an integer greater than zero" if highest == math.inf else f"an integer from 1 to {highest}"
    )
