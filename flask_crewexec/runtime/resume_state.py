"""The state from which an attempt resumes, read from the database."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..execution_context import ExecutionContext
from ..graphs import Graph
from ..models import InputRequestMixin
from ..models import Usage
from ..scheduling.quotas import remaining_tokens
from ..storage import input_requests
from ..storage.attempts import StartedAttempt
from ..storage.call_log import EarlierWork
from ..storage.call_log import read_earlier_work
from ..storage.fencing import Lease
from ..storage.new_event import CONDITION_MET
from ..storage.new_event import CREW_PLANNED
from .budget import Budget
from .call_log.journal import Journal
from .call_log.journal import StoredCall
from .call_log.requests import StepState
from .reviews import settled_steps


class ResumeState(t.NamedTuple):
    """The state from which an attempt resumes."""

    context: ExecutionContext
    graph: Graph
    finished: dict[int, dict[str, t.Any]]
    """Outputs of the steps that are completed or skipped, by position."""
    decided_steps: frozenset[str]
    """Names of the steps whose condition was decided before; it is not repeated."""
    plans: dict[str, str] | None
    """The plan of each step, by its name, if the crew was planned."""
    budget: Budget
    earlier: EarlierWork | None
    """Steps and calls of earlier attempts, or of what was forked; None if there are none."""
    asked: Sequence[InputRequestMixin]
    """What steps that are not done have asked people, in the order of each step."""
    settled: Mapping[int, InputRequestMixin]
    """The last review of each step whose answer it settles, by position."""

    def generation_of(self, position: int) -> int:
        """Return how often a step that is not done was restarted by earlier attempts."""
        steps = () if self.earlier is None else self.earlier.steps
        return next((row.generation for row in steps if row.position == position), 0)


def load_resume_state(app_state: AppState, started: StartedAttempt) -> ResumeState:
    """Read the state from which the attempt resumes.

    :raises InvalidGraph: if the graph's document is not valid any more.
    """
    row = started.row
    if isinstance(started.graph, Exception):
        raise started.graph
    resumes = started.lease.attempt > 1 or row.forked_from is not None
    earlier = _earlier_work(app_state, started.lease) if resumes else None
    finished = {} if earlier is None else earlier.outputs
    decided_steps, plans = (
        _earlier_decisions(app_state, started.lease, started.graph) if resumes else _NOTHING
    )
    asked = _asked(app_state, started.lease)
    return ResumeState(
        context=dataclasses.replace(started.context, inputs=row.inputs),
        graph=started.graph,
        finished=finished,
        # A fork may have completed steps after one that runs.
        decided_steps=decided_steps | {started.graph.tasks[at].name for at in finished},
        plans=plans,
        budget=_budget(row, remaining_tokens(app_state, row.owner_id)),
        earlier=earlier,
        asked=asked,
        settled=settled_steps(asked),
    )


def _earlier_work(app_state: AppState, lease: Lease) -> EarlierWork:
    columns = StoredCall._fields
    with app_state.database.read_session() as session:
        return read_earlier_work(session, app_state.models, lease.execution_id, columns)


def _asked(app_state: AppState, lease: Lease) -> Sequence[InputRequestMixin]:
    if lease.attempt == 1:
        return ()
    with app_state.database.read_session() as session:
        return input_requests.of_unfinished_steps(session, app_state.models, lease.execution_id)


_Decisions = tuple[frozenset[str], dict[str, str] | None]
_NOTHING: t.Final[_Decisions] = (frozenset(), None)


def _earlier_decisions(app_state: AppState, lease: Lease, graph: Graph) -> _Decisions:
    """Return the decided steps and the plans of earlier attempts, read only if there may be any."""
    has_conditions = any(task.condition for task in graph.tasks)
    if not (has_conditions or graph.planner):
        return _NOTHING
    with app_state.database.read_session() as session:
        met = _events_of_type(session, app_state, lease, CONDITION_MET)
        planned = _events_of_type(session, app_state, lease, CREW_PLANNED)
    decided_steps = frozenset(data["step"] for data in met)
    return decided_steps, planned[-1]["plans"] if planned else None


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


def _events_of_type(
    session: Session, app_state: AppState, lease: Lease, type: str
) -> Sequence[dict[str, t.Any]]:
    """Return the data of earlier events of a *type*, in order."""
    event = app_state.models.event
    query = sa.select(event.data).where(
        event.execution_id == lease.execution_id, event.type == type
    )
    return session.scalars(query.order_by(event.seq)).all()


def journal_of(
    earlier: EarlierWork | None, *, continues: bool
) -> tuple[Journal, dict[int, StepState]]:
    """Return the calls from which steps continue, and what is stored of those steps.

    :param continues: whether steps continue in the middle; otherwise they are restarted.
    """
    if earlier is None:
        return Journal(), {}
    steps = {row.position: StepState(row.generation, row.fingerprint) for row in earlier.steps}
    if not continues:
        return Journal(), steps
    return Journal(map(StoredCall._make, earlier.calls)), steps
