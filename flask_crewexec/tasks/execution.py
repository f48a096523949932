"""Run one attempt of one execution."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterator

from ..app_state import AppState
from ..app_state import current_app_state
from ..execution_context import execution_var
from ..messaging.queues import EXECUTION_TASK
from ..observability import tracing
from ..process import incarnation
from ..process import worker_id
from ..scheduling.fair_scheduler import max_running_of
from ..scheduling.fair_scheduler import release_next
from ..schemas import ExecutionEventSchema
from ..storage.attempts import start_attempt
from ..storage.attempts import StartedAttempt
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import read_owner_id
from ..storage.leases import LeaseRequest
from ..storage.queue_pause import hold_if_paused
from .base import ExecutionMessageTask

log = logging.getLogger(__name__)

_STRAY: t.Final = (
    "Dropped a message of execution %s, which the database does not know: either it was removed, or"
    " another application with another database sends messages to this queue."
)

_schema: t.Final = ExecutionEventSchema()


def handle(event: dict[str, t.Any]) -> dict[str, t.Any]:
    """Claim the attempt that *event* names, run it and store its outcome.

    :param event: ``{"execution_id": str, "attempt": int}``; without an attempt, the current one.
    :return: ``{"execution_id", "attempt", "outcome"}``. The outcome is the terminal status;
        ``"retrying"`` or ``"released"`` if another attempt follows; ``"waiting_input"`` if it
        follows when people have answered; ``"not-claimed"`` if the attempt is not queued or
        another worker has claimed it; or ``"lease-lost"`` if another worker has taken the
        execution over.
    :raises ValidationError: if the event is invalid.
    :raises NotFound: if no attempt is named and there is no such execution.
    """
    from ..runtime.runner import run_attempt  # it imports CrewAI, so only in workers

    loaded = _schema.load(event)
    app_state = current_app_state()
    execution_id = loaded["execution_id"]
    attempt = loaded["attempt"] or _current_attempt(app_state, execution_id)
    outcome = "not-claimed"
    if started := _start(app_state, execution_id, attempt):
        owner_id = started.context.user_id
        _try_to_release_next(app_state, owner_id)
        try:
            with _attempt_context(started) as set_outcome:
                outcome = str(run_attempt(app_state, started))
                set_outcome(outcome)
        finally:
            _try_to_release_next(app_state, owner_id)
    return {"execution_id": str(execution_id), "attempt": attempt, "outcome": outcome}


@contextlib.contextmanager
def _attempt_context(started: StartedAttempt) -> Iterator[Callable[[str], None]]:
    """Set the current execution for logs and traces; yield a function that takes the outcome."""
    token = execution_var.set(started.context)
    try:
        with tracing.trace_attempt(started.context, started.row.traceparent) as set_outcome:
            yield set_outcome
    finally:
        execution_var.reset(token)


def _start(app_state: AppState, execution_id: uuid.UUID, attempt: int) -> StartedAttempt | None:
    worker = f"{socket.gethostname()}:{os.getpid()}"
    process = incarnation.current()
    owner_id = _limited_owner(app_state, execution_id)
    request = LeaseRequest(
        execution_id,
        attempt,
        worker,
        lease_seconds=app_state.settings.lease_seconds,
        max_running=None if owner_id is None else max_running_of(app_state, owner_id),
        incarnation=None if process is None else str(process),
        worker_id=worker_id.current(),
    )
    if started := start_attempt(app_state, request):
        return started
    if _hold_if_paused(app_state, execution_id, attempt):
        return None
    if owner_id is None and read_owner_id(app_state, execution_id) is None:
        log.error(_STRAY, execution_id)
        return None
    log.info("Attempt %s of execution %s was not claimed.", attempt, execution_id)
    if owner_id is not None:  # it may be on hold now, while a slot may have become free
        release_next(app_state, owner_id)
    return None


def _hold_if_paused(app_state: AppState, execution_id: uuid.UUID, attempt: int) -> bool:
    """Let an attempt wait for the end of a pause in the database, without its message."""
    with app_state.database.write_transaction() as session:
        owner_id = hold_if_paused(session, app_state.models, execution_id, attempt)
    if owner_id is None:
        return False
    log.info("The queue is paused; attempt %s of execution %s is on hold.", attempt, execution_id)
    release_next(app_state, owner_id)  # the pause may have ended in the meantime
    return True


def _try_to_release_next(app_state: AppState, owner_id: str) -> None:
    """Release the owner's next execution; if that fails, the reconciler will do it."""
    try:
        release_next(app_state, owner_id)
    except Exception:
        log.warning("Could not release the next execution of a user.", exc_info=True)


def _limited_owner(app_state: AppState, execution_id: uuid.UUID) -> str | None:
    """Return the execution's owner, if the number of running executions per user is limited."""
    if app_state.settings.max_running_per_user is None:
        return None
    return read_owner_id(app_state, execution_id)


def _current_attempt(app_state: AppState, execution_id: uuid.UUID) -> int:
    with app_state.database.read_session() as session:
        return find_execution(session, app_state.models, execution_id, requester=None).attempt


class ExecutionTask(ExecutionMessageTask):
    """Celery's wrapper around :func:`handle`."""

    name = EXECUTION_TASK

    def run(self, event: dict[str, t.Any]) -> dict[str, t.Any]:
        return handle(event)
