"""Workers of another Celery app than ours in a process that has loaded the host application."""

from __future__ import annotations

import logging
import typing as t

from celery import Celery
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE

from ..messaging.celery_app import is_replaced
from ..messaging.celery_app import REPLACED
from ..messaging.queues import execution_queue
from ..messaging.queues import EXECUTION_TASK
from .heartbeat import consumed_queues

log = logging.getLogger(__name__)

_NO_TASKS: t.Final = (
    "It takes messages from the queue '{}', but its Celery app does not know the tasks of"
    " 'CrewExec'. Pass that app: 'init_app(app, celery=celery)', or start the worker with"
    " 'flask crewexec worker'."
)


def refuse_without_our_tasks(celery: Celery, worker: t.Any) -> None:
    """Check that a worker is not meant to run our tasks without knowing them.

    :param celery: our Celery app.
    :raises WorkerShutdown: if it is.
    """
    if worker.app is celery:
        return
    queue = execution_queue(celery)
    if is_replaced(celery) and celery.flask_app.extensions["celery"] is worker.app:
        problem = REPLACED
    elif queue in consumed_queues(worker) and EXECUTION_TASK not in worker.app.tasks:
        problem = _NO_TASKS.format(queue)
    else:
        return
    log.critical("This worker cannot run. %s", problem)
    raise WorkerShutdown(EX_FAILURE)
