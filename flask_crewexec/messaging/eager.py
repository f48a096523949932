"""Celery's ``task_always_eager``, for tests: messages are handled where they are sent.

No broker is used then, not even to ask whether it is there.
"""

from __future__ import annotations

import contextvars
import typing as t

from celery import Celery
from celery import Task

from .queues import NOTIFICATION_TASK


def is_eager(celery: Celery) -> bool:
    """Return whether tasks run where they are sent."""
    return bool(celery.conf.task_always_eager)


def run_here(task: Task, event: dict[str, t.Any], task_id: str) -> None:
    """Run an attempt as a worker does, and deliver what there is to tell of it.

    :raises Exception: what the task raises.
    """
    _apply(task, event, task_id=task_id)
    _apply(task.app.tasks[NOTIFICATION_TASK], {})


def _apply(task: Task, event: dict[str, t.Any], **options: t.Any) -> None:
    """Run a task in a context of its own: a worker knows nothing of the current request."""
    contextvars.Context().run(task.apply, (event,), throw=True, **options)
