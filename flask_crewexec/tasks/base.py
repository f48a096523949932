"""The base class of the execution task."""

from __future__ import annotations

import typing as t

from ..messaging.celery_app import FlaskTask

_NEVER: t.Final = 100 * 365 * 86_400.0
"""Seconds; zero would let the limits of the worker's pool apply."""


class ExecutionMessageTask(FlaskTask):
    """A task whose message may be lost or delivered twice: the database holds the state.

    The limits that a host sets for its own tasks do not apply: executions have their own, which end
    them with a reason of theirs and never in the middle of a write.
    """

    abstract = True
    Request = "flask_crewexec.worker.revocation:ExecutionRequest"
    acks_late = False
    reject_on_worker_lost = False
    ignore_result = True
    time_limit = _NEVER
    soft_time_limit = _NEVER
    rate_limit = 0
