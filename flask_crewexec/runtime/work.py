"""What an attempt starts from, and whether it may go on: reads of the database."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import events
from .. import states
from ..binding import Binding
from ..execution_context import ExecutionContext
from ..graphs import Graph
from ..states import Claim
from ..states import State
from .guards import RunCancelled
from .guards import RunStopped
from .guards import RunTakenAway

PENDING: t.Final = "pending"
"""State of a step that has not started; the others are named like those of executions."""


class Work(t.NamedTuple):
    """What an attempt starts from."""

    context: ExecutionContext
    document: dict[str, t.Any]
    inputs: dict[str, t.Any]
    finished: list[dict[str, t.Any]]
    """Outputs of the steps that earlier attempts have finished, in order."""


def load_work(binding: Binding, claim: Claim) -> Work:
    """Read what the attempt starts from."""
    models = binding.models
    with binding.session() as session:
        execution = session.get_one(models.execution, claim.execution_id)
        key = (execution.graph_id, execution.graph_version)
        version = session.get_one(models.graph_version, key)
        finished = _finished_outputs(session, binding, claim)
    context = ExecutionContext(
        id=execution.id,
        user_id=execution.owner_id,
        thread_id=execution.thread_id,
        graph_id=execution.graph_id,
        attempt=execution.attempt,
    )
    return Work(context, version.document, execution.inputs, finished)


def _finished_outputs(session: Session, binding: Binding, claim: Claim) -> list[dict[str, t.Any]]:
    step = binding.models.step
    query = sa.select(step.output).where(
        step.execution_id == claim.execution_id, step.status == State.COMPLETED
    )
    return [output for output in session.scalars(query.order_by(step.position)) if output]


def prepare_steps(binding: Binding, claim: Claim, graph: Graph) -> None:
    """Make one row per task, unless an earlier attempt has.

    :raises ClaimLost: if the claim does not hold any more.
    """
    step = binding.models.step
    with binding.session() as session, session.begin():
        states.write_claimed(session, binding.models, claim, total_steps=len(graph.tasks))
        started = events.Entry("started", {"attempt": claim.attempt})
        events.append(session, binding.models, claim.execution_id, [started])
        known = sa.select(sa.func.count()).where(step.execution_id == claim.execution_id)
        if not session.scalar(known):
            session.execute(sa.insert(step), _new_steps(claim, graph))


def _new_steps(claim: Claim, graph: Graph) -> list[dict[str, t.Any]]:
    return [
        {
            "execution_id": claim.execution_id,
            "position": position,
            "node_id": task.id,
            "name": task.name,
            "status": PENDING,
        }
        for position, task in enumerate(graph.tasks)
    ]


def must_stop(binding: Binding, claim: Claim) -> RunStopped | None:
    """Return why the attempt may not go on, if it may not."""
    execution = binding.models.execution
    query = sa.select(execution.cancel_requested_at).where(states.held(execution, claim))
    with binding.session() as session:
        row = session.execute(query).first()
    if row is None:
        return RunTakenAway("Another worker holds the execution.")
    return None if row[0] is None else RunCancelled("Somebody asked to cancel the execution.")
