"""How a user stands who is about to queue an execution: limits, and whose turn it is."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from .binding import Binding
from .per_app import PerApp
from .quotas import check_quotas
from .quotas import quota_columns
from .quotas import quota_values
from .schemas import MAX_INTEGER
from .turns import has_turn
from .turns import place_columns
from .turns import place_values


class Standing(t.NamedTuple):
    """What follows for the execution."""

    held: bool
    """Whether it waits in the database for the user's turn."""
    tokens_left: int | None
    """What the user may still use today."""

    def cap(self, max_tokens: float | None, used: int = 0) -> float | None:
        """Return *max_tokens*, or what is left if that is less.

        :param used: what earlier attempts have used, which counts, too.
        """
        if self.tokens_left is None:
            return max_tokens
        left = min(used + self.tokens_left, MAX_INTEGER)
        return left if max_tokens is None else min(max_tokens, left)


def look_at(session: Session, binding: Binding, owner: str, priority: int) -> t.Any:
    """Read with one query what :func:`judge` needs."""
    values = {**place_values(binding, owner, priority), **quota_values(owner)}
    return session.execute(_look.current(), values).one()


def _make_look(app: Flask) -> sa.Select[t.Any]:
    binding = app.extensions["crewexec"]
    return sa.select(*place_columns(binding), *quota_columns(binding))


_look: t.Final = PerApp(_make_look)


def judge(binding: Binding, owner: str, found: t.Any) -> Standing:
    """Return how a user stands; *found* is what :func:`look_at` has read.

    :raises LimitReached: if the user may queue nothing for the moment.
    """
    tokens_left = check_quotas(binding, owner, found)
    return Standing(not has_turn(binding, owner, found), tokens_left)
