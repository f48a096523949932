"""Publish the message that lets a worker run an attempt.

It only names an execution and an attempt: the database row decides which worker runs it, so a
message may be lost, late or doubled.
"""

from __future__ import annotations

import typing as t
import uuid

from celery import Task
from kombu.exceptions import LimitExceeded
from kombu.exceptions import OperationalError

from ..app_state import AppState
from ..errors import BrokerUnavailable
from .broker import producer
from .broker import shared_broker_client
from .broker_faults import nothing_queued
from .eager import is_eager
from .eager import run_here
from .kept_clients import kept_clients
from .message_template import message_templates
from .queue_claims import check_before_first_message
from .queues import celery_priority
from .queues import EXECUTION_TASK
from .queues import NOTIFICATION_TASK

_EXPIRES: t.Final = 60.0
"""Seconds after which a request is useless, since the reconciler has repeated it."""


def publish_attempt(
    app_state: AppState, execution_id: uuid.UUID, attempt: int, priority: int
) -> None:
    """Publish the message of an attempt that is queued in the database.

    With Celery's ``task_always_eager``, the attempt runs here and now.

    :raises BrokerUnavailable: if the broker did not confirm the message in time; it may have
        arrived all the same.
    """
    event = {"execution_id": str(execution_id), "attempt": attempt}
    task, id = app_state.celery.tasks[EXECUTION_TASK], task_id(execution_id, attempt)
    if is_eager(app_state.celery):
        run_here(task, event, id)
        return
    template = message_templates.current().get(task, priority)
    try:
        check_before_first_message(app_state)
        if template is None:
            _publish_with_celery(app_state, task, event, task_id=id, priority=priority)
        else:
            with shared_broker_client(app_state) as client:
                message = template.render(id, event)
                kept_clients.current().push(client, template.list_name, message)
    except (BrokerUnavailable, OperationalError, LimitExceeded) as error:
        raise nothing_queued(error) from error


def publish_delivery_request(app_state: AppState) -> None:
    """Publish the message that lets a worker deliver notifications.

    It may be lost: the reconciler publishes another one.

    :raises BrokerUnavailable: if the broker did not confirm the message in time.
    """
    task = app_state.celery.tasks[NOTIFICATION_TASK]
    try:
        with producer(app_state) as acquired:
            task.apply_async(
                ({},), producer=acquired, retry=False, expires=_EXPIRES, ignore_result=True
            )
    except (OperationalError, LimitExceeded) as error:
        raise BrokerUnavailable("Notifications are delivered later.") from error


def task_id(execution_id: uuid.UUID, attempt: int) -> str:
    """Return Celery's id for an attempt: the execution's for the first, its own for the others.

    Workers refuse an id that has been revoked, so later attempts cannot share the first one's.
    """
    return str(execution_id) if attempt == 1 else f"{execution_id}.{attempt}"


def _publish_with_celery(
    app_state: AppState, task: Task, event: dict[str, t.Any], *, task_id: str, priority: int
) -> None:
    with producer(app_state) as acquired:
        task.apply_async(
            (event,),
            task_id=task_id,
            priority=celery_priority(priority),
            producer=acquired,
            retry=False,
            ignore_result=True,
        )
