"""How many executions of all users run, as each submission and each release asks.

While they are few, the statement that asks counts them. Where they are many, a process counts them
at most once a second, by itself: a count that is a second old then makes no difference that
matters. The statement never counts far, or PostgreSQL would not keep its plan.
"""

from __future__ import annotations

import time
import typing as t
from collections.abc import Mapping

import sqlalchemy as sa

from ..app_state import AppState
from ..app_state import current_app_state
from ..per_app import AppLocal
from ..statuses import ExecutionStatus
from ..statuses import has_status

MANY: t.Final = 100
"""Beyond this number, they are not counted each time."""
MAX_AGE_SECONDS: t.Final = 1.0
_NO_SLOTS: t.Final = 1_000_000_000
"""Stands for more than :data:`MANY`; nobody has as many slots, so none is taken for free."""

_KNOWN: t.Final = sa.bindparam("known_running", type_=sa.Integer)


class _LatestCount:
    """The latest count of one application in this process, if they were many."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._valid_until = float("-inf")

    def get(self) -> int | None:
        """Return the count, which may be a second old; None if they were few."""
        if self._count is not None and time.monotonic() >= self._valid_until:
            # In the meantime, other threads use the former count.
            self._valid_until = time.monotonic() + MAX_AGE_SECONDS
            count = _count_all(current_app_state())
            self._count = count if count > MANY else None
        return self._count

    def expect_many(self) -> None:
        """Let them be counted before they are asked for again."""
        self._count, self._valid_until = _NO_SLOTS, float("-inf")


_latest: t.Final = AppLocal(lambda app: _LatestCount())


def _count_all(app_state: AppState) -> int:
    query = sa.select(count_running_sql(app_state))
    with app_state.database.autocommit_connection() as connection:
        return int(connection.execute(query).scalar_one())


def running_sql(app_state: AppState) -> sa.ColumnElement[int]:
    """Return the SQL for the number, which needs the :func:`running_parameters`."""
    execution = sa.orm.aliased(app_state.models.execution)
    some = sa.select(execution.id).where(has_status(execution, ExecutionStatus.RUNNING))
    # PostgreSQL would take a parameter for a tenth of all, which makes the plan look expensive.
    some = some.limit(sa.literal_column(str(MANY + 1), sa.Integer))
    count = sa.func.count()
    at_most_many = sa.select(sa.case((count > MANY, _NO_SLOTS), else_=count))
    counted = at_most_many.select_from(some.subquery()).scalar_subquery()
    return sa.func.coalesce(_KNOWN, counted)


def count_running_sql(app_state: AppState) -> sa.ScalarSelect[int]:
    """Return the SQL that counts all of them."""
    execution = sa.orm.aliased(app_state.models.execution)
    query = sa.select(sa.func.count()).select_from(execution)
    return query.where(has_status(execution, ExecutionStatus.RUNNING)).scalar_subquery()


def running_parameters() -> dict[str, int | None]:
    """Return the parameters of :func:`running_sql`."""
    return {_KNOWN.key: _latest.current().get()}


def remember_running(running: int, parameters: Mapping[str, object]) -> None:
    """Remember whether the result of :func:`running_sql` with *parameters* was more than many."""
    if parameters[_KNOWN.key] is None and running > MANY:
        _latest.current().expect_many()
