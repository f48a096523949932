"""What an attempt starts from, as the database has it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import claims
from .. import database_time
from .. import events
from ..binding import Binding
from ..claims import Claim
from ..claims import OVER
from ..claims import PENDING
from ..execution_context import ExecutionContext
from ..graphs import Graph
from ..models import ExecutionMixin
from ..quotas import tokens_left
from .budget import Budget

CONDITION_MET: t.Final = "condition_met"
"""Type of the event that tells that a step is not skipped."""
CREW_PLANNED: t.Final = "crew_planned"
"""Type of the event that holds the crew's plans."""


class Work(t.NamedTuple):
    """What an attempt starts from."""

    context: ExecutionContext
    document: dict[str, t.Any]
    finished: dict[int, dict[str, t.Any]]
    """By position: outputs of the steps that earlier attempts have finished, or skipped."""
    chosen: frozenset[str]
    """Names of the steps whose condition was met before, so that it is not asked again."""
    plans: dict[str, str] | None
    """What a model has planned for each step, by its name, if it has."""
    budget: Budget


def load_work(binding: Binding, claim: Claim) -> Work:
    """Read what the attempt starts from."""
    models = binding.models
    with binding.session() as session:
        execution = session.get_one(models.execution, claim.execution_id)
        key = (execution.graph_id, execution.graph_version)
        version = session.get_one(models.graph_version, key)
        finished = _finished_outputs(session, binding, claim)
        chosen = frozenset(data["step"] for data in _told(session, binding, claim, CONDITION_MET))
        planned = _told(session, binding, claim, CREW_PLANNED)
        plans = planned[-1]["plans"] if planned else None
        now = session.scalars(sa.select(database_time.now())).one()
    budget = _budget(execution, now, tokens_left(binding, execution.owner_id))
    context = dataclasses.replace(ExecutionContext.of(execution), inputs=execution.inputs)
    return Work(context, version.document, finished, chosen, plans, budget)


def _budget(execution: ExecutionMixin, now: dt.datetime, tokens_left: int | None) -> Budget:
    """Return what the attempt may use.

    :param tokens_left: of the user's day.
    """
    deadline, used = execution.deadline, execution.usage
    caps = [execution.max_tokens, None if tokens_left is None else used.total_tokens + tokens_left]
    return Budget(
        used=used,
        seconds_left=None if deadline is None else (deadline - now).total_seconds(),
        max_llm_calls=execution.max_llm_calls,
        max_tokens=min((cap for cap in caps if cap is not None), default=None),
    )


def _finished_outputs(
    session: Session, binding: Binding, claim: Claim
) -> dict[int, dict[str, t.Any]]:
    step = binding.models.step
    query = sa.select(step.position, step.output).where(
        step.execution_id == claim.execution_id, step.status.in_(OVER)
    )
    return {position: output for position, output in session.execute(query) if output}


def _told(
    session: Session, binding: Binding, claim: Claim, type: str
) -> Sequence[dict[str, t.Any]]:
    """Return what earlier events of a type have told."""
    event = binding.models.event
    query = sa.select(event.data).where(
        event.execution_id == claim.execution_id, event.type == type
    )
    return session.scalars(query.order_by(event.seq)).all()


def prepare_steps(binding: Binding, claim: Claim, graph: Graph) -> None:
    """Make one row per task, unless an earlier attempt has.

    :raises ClaimLost: if the claim does not hold any more.
    """
    step = binding.models.step
    with binding.transaction() as session:
        claims.write(session, binding.models, claim, total_steps=len(graph.tasks))
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
