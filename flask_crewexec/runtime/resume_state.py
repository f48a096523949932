"""What an attempt starts from, as the database has it."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..execution_context import ExecutionContext
from ..graphs import Graph
from ..models import Usage
from ..scheduling.quotas import remaining_tokens
from ..statuses import STEP_DONE
from ..storage.attempts import StartedAttempt
from ..storage.fencing import Lease
from .budget import Budget

CONDITION_MET: t.Final = "condition_met"
"""Type of the event that tells that a step is not skipped."""
CREW_PLANNED: t.Final = "crew_planned"
"""Type of the event that holds the crew's plans."""


class ResumeState(t.NamedTuple):
    """What an attempt starts from."""

    context: ExecutionContext
    graph: Graph
    finished: dict[int, dict[str, t.Any]]
    """By position: outputs of the steps that earlier attempts have finished, or skipped."""
    decided_steps: frozenset[str]
    """Names of the steps whose condition was met before, so that it is not asked again."""
    plans: dict[str, str] | None
    """What a model has planned for each step, by its name, if it has."""
    budget: Budget


def load_resume_state(app_state: AppState, begun: StartedAttempt) -> ResumeState:
    """Read what the attempt starts from.

    :raises InvalidGraph: if the graph's document is not valid any more.
    """
    row = begun.row
    if isinstance(begun.graph, Exception):
        raise begun.graph
    finished, chosen, plans = _done_before(app_state, begun.lease)
    return ResumeState(
        context=dataclasses.replace(begun.context, inputs=row.inputs),
        graph=begun.graph,
        finished=finished,
        decided_steps=chosen,
        plans=plans,
        budget=_budget(row, remaining_tokens(app_state, row.owner_id)),
    )


def _done_before(
    app_state: AppState, lease: Lease
) -> tuple[dict[int, dict[str, t.Any]], frozenset[str], dict[str, str] | None]:
    """Return what earlier attempts have finished, chosen and planned."""
    if lease.attempt == 1:
        return {}, frozenset(), None
    with app_state.database.read_session() as session:
        finished = _finished_outputs(session, app_state, lease)
        chosen = frozenset(
            data["step"] for data in _events_of_type(session, app_state, lease, CONDITION_MET)
        )
        planned = _events_of_type(session, app_state, lease, CREW_PLANNED)
    return finished, chosen, planned[-1]["plans"] if planned else None


def _budget(execution: sa.Row[t.Any], tokens_left: int | None) -> Budget:
    """Return what the attempt may use.

    :param tokens_left: of the user's day.
    """
    deadline, used = execution.deadline, Usage(*(getattr(execution, n) for n in Usage._fields))
    caps = [execution.max_tokens, None if tokens_left is None else used.total_tokens + tokens_left]
    return Budget(
        used=used,
        seconds_left=None
        if deadline is None
        else (deadline - execution.database_time).total_seconds(),
        max_llm_calls=execution.max_llm_calls,
        max_tokens=min((cap for cap in caps if cap is not None), default=None),
    )


def _finished_outputs(
    session: Session, app_state: AppState, lease: Lease
) -> dict[int, dict[str, t.Any]]:
    step = app_state.models.step
    query = sa.select(step.position, step.output).where(
        step.execution_id == lease.execution_id, step.status.in_(STEP_DONE)
    )
    return {position: output for position, output in session.execute(query) if output}


def _events_of_type(
    session: Session, app_state: AppState, lease: Lease, type: str
) -> Sequence[dict[str, t.Any]]:
    """Return what earlier events of a type have told."""
    event = app_state.models.event
    query = sa.select(event.data).where(
        event.execution_id == lease.execution_id, event.type == type
    )
    return session.scalars(query.order_by(event.seq)).all()
