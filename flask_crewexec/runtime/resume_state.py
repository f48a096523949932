"""The state from which an attempt resumes, read from the database."""

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
from ..storage.call_log import read_unfinished
from ..storage.call_log import Unfinished
from ..storage.fencing import Lease
from .budget import Budget
from .call_log.journal import StoredCall

CONDITION_MET: t.Final = "condition_met"
"""Type of the event that records that a conditional step is done."""
CREW_PLANNED: t.Final = "crew_planned"
"""Type of the event that contains the crew's plans."""


class ResumeState(t.NamedTuple):
    """The state from which an attempt resumes."""

    context: ExecutionContext
    graph: Graph
    finished: dict[int, dict[str, t.Any]]
    """Outputs of the steps that earlier attempts have completed or skipped, by position."""
    decided_steps: frozenset[str]
    """Names of the steps whose condition was met in an earlier attempt; it is not repeated."""
    plans: dict[str, str] | None
    """The plan of each step, by its name, if the crew was planned."""
    budget: Budget
    calls: Unfinished | None
    """Calls of earlier attempts; None if there were none, or they are not recorded."""


def load_resume_state(app_state: AppState, started: StartedAttempt) -> ResumeState:
    """Read the state from which the attempt resumes.

    :raises InvalidGraph: if the graph's document is not valid any more.
    """
    row = started.row
    if isinstance(started.graph, Exception):
        raise started.graph
    finished, decided_steps, plans = _earlier_progress(app_state, started.lease, started.graph)
    return ResumeState(
        context=dataclasses.replace(started.context, inputs=row.inputs),
        graph=started.graph,
        finished=finished,
        decided_steps=decided_steps,
        plans=plans,
        budget=_budget(row, remaining_tokens(app_state, row.owner_id)),
        calls=_earlier_calls(app_state, started.lease),
    )


def _earlier_progress(
    app_state: AppState, lease: Lease, graph: Graph
) -> tuple[dict[int, dict[str, t.Any]], frozenset[str], dict[str, str] | None]:
    """Return outputs, decided steps and plans of earlier attempts."""
    if lease.attempt == 1:
        return {}, frozenset(), None
    with app_state.database.read_session() as session:
        finished = _finished_outputs(session, app_state, lease)
        has_conditions = any(task.condition for task in graph.tasks)
        met = _events_of_type(session, app_state, lease, CONDITION_MET) if has_conditions else []
        planned = _events_of_type(session, app_state, lease, CREW_PLANNED) if graph.planner else []
    decided_steps = frozenset(data["step"] for data in met)
    return finished, decided_steps, planned[-1]["plans"] if planned else None


def _earlier_calls(app_state: AppState, lease: Lease) -> Unfinished | None:
    if lease.attempt == 1:
        return None
    with app_state.database.read_session() as session:
        return read_unfinished(session, app_state.models, lease.execution_id, StoredCall._fields)


def _budget(execution: sa.Row[t.Any], tokens_left: int | None) -> Budget:
    """Return the budget of the attempt.

    :param tokens_left: number of tokens that the user may still use today.
    """
    deadline = execution.deadline
    used = Usage(*(getattr(execution, name) for name in Usage._fields))
    limits = [
        execution.max_tokens,
        None if tokens_left is None else used.total_tokens + tokens_left,
    ]
    return Budget(
        used=used,
        seconds_left=None
        if deadline is None
        else (deadline - execution.database_time).total_seconds(),
        max_llm_calls=execution.max_llm_calls,
        max_tool_calls=execution.max_tool_calls,
        max_tokens=min((limit for limit in limits if limit is not None), default=None),
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
    """Return the data of earlier events of a *type*, in order."""
    event = app_state.models.event
    query = sa.select(event.data).where(
        event.execution_id == lease.execution_id, event.type == type
    )
    return session.scalars(query.order_by(event.seq)).all()
