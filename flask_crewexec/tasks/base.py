"""The base class of the execution task."""

from __future__ import annotations

from ..messaging.celery_app import FlaskTask


class ExecutionMessageTask(FlaskTask):
    """A task whose message may be lost or delivered twice: the database holds the state."""

    abstract = True
    Request = "flask_crewexec.worker.revocation:ExecutionRequest"
    acks_late = False
    reject_on_worker_lost = False
    ignore_result = True
