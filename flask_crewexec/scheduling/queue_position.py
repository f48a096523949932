"""Queue position: how many queued executions the fair scheduler starts before one of them.

At each urgency users take turns: the first execution of each user comes first, then the second
one of each, and so on. Within the same round the oldest comes first.

Clients ask for positions again and again, so they come from a snapshot of the queue, which each
process takes at most once a second.
"""

from __future__ import annotations

import bisect
import datetime as dt
import threading
import time
import typing as t
import uuid
from collections import Counter
from collections.abc import Iterable

import sqlalchemy as sa
from flask import Flask

from .. import clock
from ..app_state import AppState
from ..models import ExecutionMixin
from ..per_app import AppLocal
from ..statuses import ExecutionStatus
from ..statuses import has_status

MAX_POSITION: t.Final = 1_000
"""Counting stops here, because it takes longer the more executions wait, and tells less."""
MAX_AGE_SECONDS: t.Final = 1.0
"""How old a snapshot may be."""
_MAX_SHARE: t.Final = 0.05
"""Snapshots that take long are taken less often: they use no more of the time than this."""

Turn = tuple[int, int, dt.datetime, uuid.UUID]
"""What decides which execution comes first: urgency, round, when it was queued, and its id."""


def queue_position(app_state: AppState, execution: ExecutionMixin) -> int | None:
    """Return the position of an execution, from 1, as of a second ago.

    :return: None if it is not queued, or if :data:`MAX_POSITION` others or more come before it.
    """
    if execution.status != ExecutionStatus.QUEUED:
        return None
    ahead = _snapshots.current().get(app_state).count_ahead(execution)
    return ahead + 1 if ahead < MAX_POSITION else None


class QueueSnapshot:
    """The executions that start next, at most :data:`MAX_POSITION`, in order.

    :param rows: owner and turn of each.
    """

    def __init__(self, rows: Iterable[tuple[str, Turn]]) -> None:
        self._turns: list[Turn] = []
        self._known: dict[tuple[uuid.UUID, dt.datetime], int] = {}
        self._rounds: Counter[tuple[str, int]] = Counter()
        for ahead, (owner_id, turn) in enumerate(rows):
            urgency, _, queued_at, id = turn
            self._turns.append(turn)
            self._known[id, queued_at] = ahead
            self._rounds[owner_id, urgency] += 1

    def count_ahead(self, execution: ExecutionMixin) -> int:
        """Return how many executions come before a queued one, which may be newer."""
        queued_at = clock.as_utc(execution.queued_at)
        known = self._known.get((execution.id, queued_at))
        if known is not None:
            return known
        urgency = execution.urgency
        round = self._rounds[execution.owner_id, urgency] + 1
        return bisect.bisect(self._turns, (urgency, round, queued_at, execution.id))


class _Snapshots:
    """Keeps the latest snapshot of one application in this process."""

    def __init__(self, app: Flask) -> None:
        self._query = _first_in_line(app.extensions["crewexec"])
        self._lock = threading.Lock()
        self._latest = QueueSnapshot(())
        self._valid_until = float("-inf")

    def get(self, app_state: AppState) -> QueueSnapshot:
        """Return the latest snapshot, or a new one if it is too old."""
        with self._lock:
            if time.monotonic() >= self._valid_until:
                start = time.monotonic()
                self._latest = self._take(app_state)
                taken = time.monotonic()
                self._valid_until = taken + max(MAX_AGE_SECONDS, (taken - start) / _MAX_SHARE)
            return self._latest

    def _take(self, app_state: AppState) -> QueueSnapshot:
        with app_state.database.autocommit_connection() as connection:
            return QueueSnapshot(map(_as_turn, connection.execute(self._query)))


_snapshots: t.Final = AppLocal(_Snapshots)


def _as_turn(row: t.Any) -> tuple[str, Turn]:
    owner_id, urgency, round, queued_at, id = row
    return owner_id, (urgency, round, clock.as_utc(queued_at), id)


def _first_in_line(app_state: AppState) -> sa.Select[t.Any]:
    """Return the query for owners and turns of the executions that start next, in order."""
    execution = app_state.models.execution
    of_user = (execution.owner_id, execution.urgency)
    age = (execution.queued_at, execution.id)
    round = sa.func.row_number().over(partition_by=of_user, order_by=age).label("own_round")
    query = sa.select(execution.owner_id, execution.urgency, round, *age)
    query = query.where(has_status(execution, ExecutionStatus.QUEUED))
    return query.order_by(execution.urgency, sa.column("own_round"), *age).limit(MAX_POSITION)
