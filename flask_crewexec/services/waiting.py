"""Why executions of all users wait, counted for operators."""

from __future__ import annotations

import enum
import typing as t

from ..app_state import AppState
from ..models import ExecutionMixin
from ..scheduling.fair_scheduler import max_running_of
from ..statuses import ExecutionStatus
from ..statuses import WaitingFor
from ..storage.queue_pause import read_pause
from ..storage.queue_stats import count_active
from ..storage.queue_stats import count_held_by_user
from ..storage.queue_stats import read_waiting
from ..storage.queue_stats import Waiting
from ..storage.workers import live_workers

MAX_USERS: t.Final = 200
"""How many users with executions on hold are compared with their limits."""


class Reason(enum.Enum):
    """Why an execution waits."""

    PAUSED = "The queue is paused"
    NO_WORKER = "No worker takes executions"
    NO_FREE_PLACE = "All places of the workers are taken"
    STARTING = "About to start"
    USER_LIMIT = "Its user runs as many executions as allowed"
    ON_HOLD = "On hold behind other executions of its user"
    RETRY = "Its next attempt is due later"
    PEOPLE = "People are asked"


class WaitingGroup(t.NamedTuple):
    """Executions that wait for the same reason."""

    reason: Reason
    status: ExecutionStatus
    number: int
    oldest: float | None = None
    """For how many seconds the one has waited that was queued first; None if that is not known."""
    next_due: float | None = None
    """Seconds until the first retry is due."""


def waiting_groups(app_state: AppState) -> list[WaitingGroup]:
    """Return why executions wait, without reasons that none has."""
    waiting = read_waiting(app_state)
    asked = WaitingGroup(
        Reason.PEOPLE, ExecutionStatus.WAITING_INPUT, waiting.asked, waiting.oldest_asked
    )
    retrying = WaitingGroup(
        Reason.RETRY, ExecutionStatus.RETRYING, waiting.retrying, next_due=waiting.next_due
    )
    groups = [*_queued(app_state, waiting), retrying, asked]
    return [group for group in groups if group.number]


def lacks_worker(app_state: AppState, execution: ExecutionMixin) -> bool:
    """Return whether an execution waits for a worker although none takes executions."""
    return execution.waiting_for == WaitingFor.WORKER and not _count_slots(app_state)


def _count_slots(app_state: AppState) -> int:
    """Return how many executions the live workers run at a time, without those being drained."""
    queue = app_state.settings.execution_queue
    takers = [each for each in live_workers(app_state) if each.drain is None]
    return sum(each.concurrency for each in takers if queue in each.queues)


def _queued(app_state: AppState, waiting: Waiting) -> list[WaitingGroup]:
    status = ExecutionStatus.QUEUED
    if read_pause(app_state) is not None:
        oldest = max((waiting.oldest_published, waiting.oldest_held), key=lambda each: each or 0.0)
        count = waiting.published + waiting.held
        return [WaitingGroup(Reason.PAUSED, status, count, oldest)]
    limited = min(waiting.held, _held_by_limits(app_state) if waiting.held else 0)
    reason = _without_place(app_state) if waiting.published else Reason.STARTING
    return [
        WaitingGroup(reason, status, waiting.published, waiting.oldest_published),
        WaitingGroup(Reason.USER_LIMIT, status, limited),
        WaitingGroup(Reason.ON_HOLD, status, waiting.held - limited, waiting.oldest_held),
    ]


def _held_by_limits(app_state: AppState) -> int:
    """Return how many executions are on hold of users who run as many as allowed."""
    if app_state.settings.max_running_per_user is None:
        return 0
    return sum(
        user.held
        for user in count_held_by_user(app_state, MAX_USERS)
        if (limit := max_running_of(app_state, user.owner_id)) is not None and user.running >= limit
    )


def _without_place(app_state: AppState) -> Reason:
    """Return why executions with a message do not start."""
    slots = _count_slots(app_state)
    if not slots:
        return Reason.NO_WORKER
    running = count_active(app_state).get(ExecutionStatus.RUNNING, 0)
    return Reason.NO_FREE_PLACE if running >= slots else Reason.STARTING
