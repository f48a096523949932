"""Lets time pass for executions, without waiting for it."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import current_app_state
from ..clock import as_utc
from ..models import Models
from ..tasks import HANDLERS

_DUE: t.Final = {
    "execution": ("available_at", "deadline", "waiting_since"),
    "input_request": ("created_at", "expires_at"),
    "delivery": ("due_at",),
}
"""Columns with times that are compared with the current one, by model."""


def let_time_pass(seconds: float) -> None:
    """Move all due times of the current application, then do what beat and workers would do."""
    app_state = current_app_state()
    with app_state.database.write_transaction() as session:
        for name, columns in _DUE.items():
            for column in columns:
                _move(session, app_state.models, name, column, dt.timedelta(seconds=seconds))
    HANDLERS["cleanup"]({"action": "reconcile"})
    HANDLERS["notifications"]({})


def _move(session: Session, models: Models, name: str, column: str, by: dt.timedelta) -> None:
    model: t.Any = getattr(models, name)
    attribute = getattr(model, column)
    for row in session.scalars(sa.select(model).where(attribute.is_not(None))):
        setattr(row, column, as_utc(getattr(row, column)) - by)
