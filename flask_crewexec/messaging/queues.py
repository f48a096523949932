"""Names of the tasks, and the Redis list of each priority."""

from __future__ import annotations

import typing as t

from celery import Celery

from ..statuses import PRIORITIES

EXECUTION_TASK: t.Final = "crewexec.execution"
CLEANUP_TASK: t.Final = "crewexec.cleanup"
NOTIFICATION_TASK: t.Final = "crewexec.notifications"

CELERY_PRIORITIES: t.Final = range(len(PRIORITIES))
"""Celery's values for our priorities; by default it folds ten of them into four lists."""
OUR_QUEUES_OPTION: t.Final = "crewexec_queues"
"""The transport option with the queues in which every priority has its list."""
DEFAULT_SEPARATOR: t.Final = "\x06\x16"
"""What kombu writes between the name of a queue and a priority, unless the host has changed it."""


def execution_queue(celery: Celery) -> str:
    """Return the name of the queue of executions, where only our Celery app is known."""
    return t.cast(str, celery.conf.task_routes[EXECUTION_TASK]["queue"])


def notification_queue(celery: Celery) -> str:
    """Return the name of the queue of notifications, where only our Celery app is known."""
    return t.cast(str, celery.conf.task_routes[NOTIFICATION_TASK]["queue"])


def celery_priority(priority: int) -> int:
    """Return Celery's value for a priority from 1 to 10: from 0, which is the most urgent."""
    return PRIORITIES.index(priority)


def list_name(celery: Celery, queue: str, priority: int) -> str:
    """Return the Redis list that keeps the messages of one of our queues with this priority."""
    step = celery_priority(priority)
    if step == 0:
        return queue
    return f"{queue}{celery.conf.broker_transport_options.get('sep', DEFAULT_SEPARATOR)}{step}"
