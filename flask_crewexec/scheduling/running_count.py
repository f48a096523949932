"""How many executions of all users run, as each submission and each release asks.

While they are few, the statement that asks counts them. Where they are many, a process counts them
at most once a second: a count that is a second old then makes no difference that matters.
"""

from __future__ import annotations

import time
import typing as t
from collections.abc import Mapping

import sqlalchemy as sa

from ..app_state import AppState
from ..per_app import AppLocal
from ..statuses import ExecutionStatus
from ..statuses import has_status

MANY: t.Final = 100
"""From this number on, they are not counted each time."""
MAX_AGE_SECONDS: t.Final = 1.0

_KNOWN: t.Final = sa.bindparam("known_running", type_=sa.Integer)


class _LatestCount:
    """The latest count of one application in this process, if they were many."""

    def __init__(self) -> None:
        self._count = 0
        self._valid_until = float("-inf")

    def get(self) -> int | None:
        return self._count if time.monotonic() < self._valid_until else None

    def set(self, count: int) -> None:
        if count >= MANY:
            self._count = count
            self._valid_until = time.monotonic() + MAX_AGE_SECONDS


_latest: t.Final = AppLocal(lambda app: _LatestCount())


def running_sql(app_state: AppState) -> sa.ColumnElement[int]:
    """Return the SQL for the number, which needs the :func:`running_parameters`."""
    return sa.func.coalesce(_KNOWN, count_running_sql(app_state))


def count_running_sql(app_state: AppState) -> sa.ScalarSelect[int]:
    """Return the SQL that counts them."""
    execution = sa.orm.aliased(app_state.models.execution)
    query = sa.select(sa.func.count()).select_from(execution)
    return query.where(has_status(execution, ExecutionStatus.RUNNING)).scalar_subquery()


def running_parameters() -> dict[str, int | None]:
    """Return the parameters of :func:`running_sql`."""
    return {_KNOWN.key: _latest.current().get()}


def remember_running(running: int, parameters: Mapping[str, object]) -> None:
    """Remember the result of :func:`running_sql` with *parameters*, if it was counted."""
    if parameters[_KNOWN.key] is None:
        _latest.current().set(running)
