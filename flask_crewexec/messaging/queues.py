"""Names of the queues and tasks, and the Redis list of each priority."""

from __future__ import annotations

import typing as t

from ..statuses import PRIORITIES

EXECUTION_QUEUE: t.Final = "crew_execution"
CLEANUP_QUEUE: t.Final = "cleanup"
EXECUTION_TASK: t.Final = "crewexec.execution"
CLEANUP_TASK: t.Final = "crewexec.cleanup"

ROUTES: t.Final = {
    EXECUTION_TASK: {"queue": EXECUTION_QUEUE},
    CLEANUP_TASK: {"queue": CLEANUP_QUEUE},
}
PRIORITY_OPTIONS: t.Final[dict[str, t.Any]] = {"priority_steps": list(range(10)), "sep": ":"}
"""Transport options for ten priorities; by default Celery folds ten priorities into four."""


def celery_priority(priority: int) -> int:
    """Return Celery's value for a priority from 1 to 10: from 0, which is the most urgent."""
    return PRIORITIES.index(priority)


def list_name(queue: str, priority: int) -> str:
    """Return the Redis list in which kombu keeps the messages of a queue with this priority."""
    step = celery_priority(priority)
    return queue if step == 0 else f"{queue}:{step}"
