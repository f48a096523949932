"""Deliver notifications to handlers, signals and webhooks."""

from __future__ import annotations

import typing as t

from ..app_state import current_app_state
from ..messaging.queues import NOTIFICATION_TASK
from ..notifications import dispatcher
from ..notifications.deliver import deliver_next
from ..schemas import NotificationEventSchema
from .base import ExecutionMessageTask

_schema: t.Final = NotificationEventSchema()


def handle(event: dict[str, t.Any]) -> dict[str, t.Any]:
    """Deliver notifications that are due: ``{"limit"?: int}``, at most 100 by default.

    Concurrent calls are safe.

    :return: ``{"tried"}``, how many deliveries were tried.
    :raises ValidationError: if the event is invalid.
    """
    limit, app_state = _schema.load(event)["limit"], current_app_state()
    tried = 0
    while tried < limit and deliver_next(app_state):
        tried += 1
    return {"tried": tried}


class NotificationTask(ExecutionMessageTask):
    """Celery's task, which leaves the work to threads beside those of the pool.

    With ``task_always_eager`` it does the work itself.
    """

    name = NOTIFICATION_TASK

    def run(self, event: dict[str, t.Any]) -> None:
        if self.request.is_eager:
            handle(event)
        else:
            dispatcher.wake()
