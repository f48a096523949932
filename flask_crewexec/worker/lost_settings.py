"""Workers of our Celery app from which the host has removed what we had added to its settings."""

from __future__ import annotations

import logging
import typing as t

from celery import Celery
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE

from ..messaging.celery_app import LOST
from ..messaging.celery_app import lost_settings

log = logging.getLogger(__name__)


def refuse_without_our_settings(celery: Celery, worker: t.Any) -> None:
    """Check that a worker would find the messages of our queues.

    :param celery: our Celery app.
    :raises WorkerShutdown: if it would not.
    """
    if worker.app is celery and (lost := lost_settings(celery)):
        log.critical("This worker cannot run. %s", LOST.format(", ".join(lost)))
        raise WorkerShutdown(EX_FAILURE)
