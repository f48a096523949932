"""What an attempt starts from, as the database has it."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import claims
from .. import clock
from .. import database_time
from .. import events
from ..binding import Binding
from ..claims import Claim
from ..claims import OVER
from ..claims import PENDING
from ..execution_context import ExecutionContext
from ..graph_cache import graph_cache
from ..graph_cache import Version
from ..graphs import Graph
from ..models import StepMixin
from ..models import table_of
from ..models import Usage
from ..quotas import tokens_left
from ..tallies import Past
from .budget import Budget

CONDITION_MET: t.Final = "condition_met"
"""Type of the event that tells that a step is not skipped."""
CREW_PLANNED: t.Final = "crew_planned"
"""Type of the event that holds the crew's plans."""


class Work(t.NamedTuple):
    """What an attempt starts from."""

    context: ExecutionContext
    graph: Graph
    finished: dict[int, dict[str, t.Any]]
    """By position: outputs of the steps that earlier attempts have finished, or skipped."""
    chosen: frozenset[str]
    """Names of the steps whose condition was met before, so that it is not asked again."""
    plans: dict[str, str] | None
    """What a model has planned for each step, by its name, if it has."""
    budget: Budget
    queued: Past
    """When and how it was queued."""


def load_work(binding: Binding, claim: Claim) -> Work:
    """Read what the attempt starts from.

    :raises InvalidGraph: if the graph's document is not valid any more.
    """
    query = _execution_query(table_of(binding.models.execution))
    with binding.session() as session:
        row = session.execute(query, {"of_execution": claim.execution_id}).one()
        graph = _read_graph(session, binding, Version(row.graph_id, row.graph_version))
        finished, chosen, plans = _done_before(session, binding, claim)
    return Work(
        context=dataclasses.replace(ExecutionContext.of(row), inputs=row.inputs),
        graph=graph,
        finished=finished,
        chosen=chosen,
        plans=plans,
        budget=_budget(row, tokens_left(binding, row.owner_id)),
        queued=Past("queued", clock.as_utc(row.queued_at), row.priority),
    )


@functools.lru_cache(maxsize=8)
def _execution_query(execution: sa.Table) -> sa.Select[t.Any]:
    c = execution.c
    columns = [column for column in c if column.name not in ("result", "error")]
    query = sa.select(*columns, database_time.now().label("now"))
    return query.where(c.id == sa.bindparam("of_execution"))


def _read_graph(session: Session, binding: Binding, version: Version) -> Graph:
    known = graph_cache.current().get(version)
    if known is not None:
        return known
    model = binding.models.graph_version
    key = (model.graph_id == version.graph_id, model.number == version.number)
    document = session.scalars(sa.select(model.document).where(*key)).one()
    return graph_cache.current().parse(version, document)


def _done_before(
    session: Session, binding: Binding, claim: Claim
) -> tuple[dict[int, dict[str, t.Any]], frozenset[str], dict[str, str] | None]:
    """Return what earlier attempts have finished, chosen and planned."""
    if claim.attempt == 1:
        return {}, frozenset(), None
    finished = _finished_outputs(session, binding, claim)
    chosen = frozenset(data["step"] for data in _told(session, binding, claim, CONDITION_MET))
    planned = _told(session, binding, claim, CREW_PLANNED)
    return finished, chosen, planned[-1]["plans"] if planned else None


def _budget(execution: sa.Row[t.Any], tokens_left: int | None) -> Budget:
    """Return what the attempt may use.

    :param tokens_left: of the user's day.
    """
    deadline, used = execution.deadline, Usage(*(getattr(execution, n) for n in Usage._fields))
    caps = [execution.max_tokens, None if tokens_left is None else used.total_tokens + tokens_left]
    return Budget(
        used=used,
        seconds_left=None if deadline is None else (deadline - execution.now).total_seconds(),
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


def prepare_steps(binding: Binding, claim: Claim, work: Work) -> Past:
    """Make one row per task, unless an earlier attempt has; return when the attempt began.

    :raises ClaimLost: if the claim does not hold any more.
    """
    models, tasks = binding.models, work.graph.tasks
    started = events.Entry("started", {"attempt": claim.attempt})
    with binding.transaction() as session:
        number = claims.write_with_event(session, models, claim, total_steps=len(tasks))
        events.insert(session, models, claim.execution_id, [started], number, work.queued)
        if claim.attempt == 1 or not _has_steps(session, models.step, claim):
            session.execute(sa.insert(table_of(models.step)), _new_steps(claim, work.graph))
    return work.queued._replace(type=started.type, at=started.at)


def _has_steps(session: Session, step: type[StepMixin], claim: Claim) -> bool:
    query = sa.select(step.position).where(step.execution_id == claim.execution_id)
    return session.scalars(query.limit(1)).first() is not None


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
