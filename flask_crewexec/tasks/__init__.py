"""Task modules in the serverless style: ``handle(event)`` takes and returns plain JSON.

They keep no state and need an application context, but not Celery: the Celery task of each is a
thin wrapper.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from celery import Celery

from . import cleanup
from . import execution
from . import notifications

Event = dict[str, t.Any]
Handler = Callable[[Event], Event]

HANDLERS: t.Final[dict[str, Handler]] = {
    "execution": execution.handle,
    "cleanup": cleanup.handle,
    "notifications": notifications.handle,
}
"""The handlers, by the names that ``flask crewexec invoke`` takes."""


def register_tasks(celery: Celery) -> None:
    """Register the tasks with a Celery app.

    Celery binds a task class to its app, so each app in a process needs its own classes.
    """
    for task in (execution.ExecutionTask, cleanup.CleanupTask, notifications.NotificationTask):
        celery.register_task(type(task.__name__, (task,), {})())
