"""What each user may have: a number of the settings, or what the host says of that user."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConfigError

PerUserLimit = int | Callable[[str], int | None] | None
"""A number for everybody, a function from a user's id to a number, or None for no limit."""


def validate_limit(key: str, value: object) -> None:
    """Check the allowance that the setting *key* holds.

    :raises ConfigError: if it is none.
    """
    if not (value is None or callable(value) or _is_number(value)):
        raise ConfigError(
            f"'{key}' must be a whole number greater than zero, a function that takes a user's id"
            f" and returns one, or None; it is {value!r}."
        )


def resolve_limit(key: str, allowance: PerUserLimit, user_id: str) -> int | None:
    """Return what the user may have; None is no limit.

    Call it without an open session: a function of the host may take its time.

    :raises ConfigError: if the function of the host answers anything else.
    """
    value = allowance(user_id) if callable(allowance) else allowance
    if value is None or _is_number(value):
        return value
    raise ConfigError(
        f"The function in '{key}' must return a whole number greater than zero, or None; it"
        f" returned {value!r}."
    )


def _is_number(value: object) -> bool:
    return type(value) is int and value > 0
