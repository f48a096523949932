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

from sqlalchemy.orm import defer

from .. import claims
from .. import tracing
from ..binding import Binding
from ..binding import current_binding
from ..celery_app import EXECUTION_TASK
from ..celery_app import WakeUpTask
from ..claims import Claim
from ..errors import NotFound
from ..execution_context import execution_var
from ..execution_context import ExecutionContext
from ..schemas import ExecutionEventSchema

log = logging.getLogger(__name__)

_schema: t.Final = ExecutionEventSchema()


def handle(event: dict[str, t.Any]) -> dict[str, t.Any]:
    """Claim the attempt that *event* names, run it and store what came of it.

    :param event: ``{"execution_id": str, "attempt": int}``; without an attempt, the current one.
    :return: ``{"execution_id", "attempt", "outcome"}``. The outcome is the final state, or
        ``"retrying"`` or ``"queued"`` if another attempt follows, or ``"not-claimed"`` if
        somebody else has the attempt or it is not queued (any more), or ``"taken-away"`` if this
        worker was taken for dead and another one goes on.
    :raises ValidationError: if the event has another form.
    :raises NotFound: if no attempt is named and there is no such execution.
    """
    from ..runtime.runner import run_attempt  # imports crewai, so in workers only

    order = _schema.load(event)
    binding = current_binding()
    execution_id = order["execution_id"]
    attempt = order["attempt"] or _current_attempt(binding, execution_id)
    outcome = "not-claimed"
    if claimed := _claim(binding, execution_id, attempt):
        with _told(claimed) as tell:
            outcome = str(run_attempt(binding, claimed.claim) or "taken-away")
            tell(outcome)
    return {"execution_id": str(execution_id), "attempt": attempt, "outcome": outcome}


class _Claimed(t.NamedTuple):
    claim: Claim
    context: ExecutionContext
    traceparent: str | None


@contextlib.contextmanager
def _told(claimed: _Claimed) -> Iterator[Callable[[str], None]]:
    """Let logs and traces tell what they belong to; the function takes the outcome."""
    token = execution_var.set(claimed.context)
    try:
        with tracing.attempt(claimed.context, claimed.traceparent) as tell:
            yield tell
    finally:
        execution_var.reset(token)


def _claim(binding: Binding, execution_id: uuid.UUID, attempt: int) -> _Claimed | None:
    worker = f"{socket.gethostname()}:{os.getpid()}"
    with binding.transaction() as session:
        claim = claims.claim(
            session,
            binding.models,
            execution_id,
            attempt,
            worker=worker,
            lease=binding.settings.lease,
        )
        if claim is not None:
            model = binding.models.execution
            large = [defer(model.inputs), defer(model.result)]
            row = session.get_one(model, execution_id, options=large)
            return _Claimed(claim, ExecutionContext.of(row), row.traceparent)
    log.info("Attempt %s of execution %s is not ours to run.", attempt, execution_id)
    return None


def _current_attempt(binding: Binding, execution_id: uuid.UUID) -> int:
    with binding.session() as session:
        execution = session.get(binding.models.execution, execution_id)
    if execution is None:
        raise NotFound(f"There is no execution '{execution_id}'.")
    return execution.attempt


class ExecutionTask(WakeUpTask):
    """Celery's wrapper around :func:`handle`."""

    name = EXECUTION_TASK

    def run(self, event: dict[str, t.Any]) -> dict[str, t.Any]:
        return handle(event)
