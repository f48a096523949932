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
from .turns import has_turn
from .turns import place_columns
from .turns import place_values


def look_at(session: Session, binding: Binding, owner: str, priority: int) -> t.Any:
    """Read with one query what :func:`must_wait` needs."""
    values = {**place_values(binding, owner, priority), **quota_values(owner)}
    return session.execute(_look.current(), values).one()


def _make_look(app: Flask) -> sa.Select[t.Any]:
    binding = app.extensions["crewexec"]
    return sa.select(*place_columns(binding), *quota_columns(binding))


_look: t.Final = PerApp(_make_look)


def must_wait(binding: Binding, owner: str, found: t.Any) -> bool:
    """Return whether the execution waits in the database for its user's turn.

    :param found: what :func:`look_at` has read.
    :raises LimitReached: if the user may queue nothing for the moment.
    """
    check_quotas(binding, owner, found)
    return not has_turn(binding, owner, found)
