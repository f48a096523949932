"""What is kept of the calls of executions that have ended, and for how long."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Callable

from ..errors import ConfigError

Kept = t.Literal["content", "shape", "off"]
KeptPerUser = Kept | Callable[[str], Kept]
"""The same for all users, or a function from a user's id."""

DurationPerUser = dt.timedelta | Callable[[str], dt.timedelta]
"""The same for all users, or a function from a user's id."""

_CHOICES: t.Final = t.get_args(Kept)


def validate_kept(key: str, value: object) -> None:
    """Check the value of the setting *key*.

    :raises ConfigError: if it is none of the choices, and no function.
    """
    if value not in _CHOICES and not callable(value):
        raise ConfigError(
            f"'{key}' must be 'content', 'shape' or 'off', or a function that takes a user's id and"
            f" returns one of them; it is {value!r}."
        )


def resolve_kept(key: str, value: KeptPerUser, user_id: str) -> Kept:
    """Return what is kept of a user's calls.

    :raises ConfigError: if the host's function returns anything else.
    """
    found = value(user_id) if callable(value) else value
    if found in _CHOICES:
        return found
    raise ConfigError(
        f"The function in '{key}' must return 'content', 'shape' or 'off'; it returned {found!r}."
    )


def validate_duration(key: str, value: object) -> None:
    """Check the value of the setting *key*.

    :raises ConfigError: if it is no duration, and no function.
    """
    if not (_is_duration(value) or callable(value)):
        raise ConfigError(
            f"'{key}' must be a timedelta longer than zero, or a function that takes a user's id"
            f" and returns one; it is {value!r}."
        )


def resolve_duration(key: str, value: DurationPerUser, user_id: str) -> dt.timedelta:
    """Return for how long a user's calls are kept.

    :raises ConfigError: if the host's function returns anything else.
    """
    found = value(user_id) if callable(value) else value
    if _is_duration(found):
        return found
    raise ConfigError(
        f"The function in '{key}' must return a timedelta longer than zero; it returned {found!r}."
    )


def _is_duration(value: object) -> bool:
    return isinstance(value, dt.timedelta) and value > dt.timedelta()
