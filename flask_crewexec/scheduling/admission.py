"""How a user stands who is about to queue an execution: limits, and whose turn it is."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..per_app import AppLocal
from .fair_scheduler import may_publish
from .fair_scheduler import scheduler_columns
from .fair_scheduler import scheduler_parameters
from .quotas import enforce_quotas
from .quotas import quota_columns
from .quotas import quota_parameters


def read_admission_row(session: Session, app_state: AppState, owner: str, priority: int) -> t.Any:
    """Read with one query what :func:`must_wait` needs."""
    values = {**scheduler_parameters(app_state, owner, priority), **quota_parameters(owner)}
    return session.execute(_look.current(), values).one()


def _make_look(app: Flask) -> sa.Select[t.Any]:
    app_state = app.extensions["crewexec"]
    return sa.select(*scheduler_columns(app_state), *quota_columns(app_state))


_look: t.Final = AppLocal(_make_look)


def admit(app_state: AppState, owner: str, found: t.Any) -> bool:
    """Return whether the execution waits in the database for its user's turn.

    :param found: what :func:`look_at` has read.
    :raises LimitReached: if the user may queue nothing for the moment.
    """
    enforce_quotas(app_state, owner, found)
    return not may_publish(app_state, owner, found)
