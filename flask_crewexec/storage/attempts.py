"""Start an attempt: acquire its lease and record its start, in one transaction."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import clock
from ..app_state import AppState
from ..execution_context import ExecutionContext
from ..graphs import Graph
from ..graphs import TaskNode
from ..models import table_of
from ..models import Usage
from ..statuses import StepStatus
from . import event_log
from . import leases
from . import outbox
from .counters import LastTransition
from .fencing import Lease
from .graph_cache import graph_cache
from .graph_cache import Version
from .leases import ClaimedAttempt
from .leases import LeaseRequest
from .new_event import NewEvent


class StartedAttempt(t.NamedTuple):
    """An attempt for which a worker holds the lease."""

    lease: Lease
    row: sa.Row[t.Any]
    """The execution without its result and error, and the database's time, ``database_time``."""
    graph: Graph | Exception
    """The graph to run, or why it cannot be run any more."""
    start: LastTransition
    requested_at: float
    """When the lease was requested, by :func:`~flask_crewexec.clock.since_boot`."""
    time: clock.SteadyClock
    """Continues from the database's time at the start."""

    @property
    def context(self) -> ExecutionContext:
        """The context of the attempt, without its inputs."""
        return ExecutionContext.of(self.row)


def start_attempt(app_state: AppState, request: LeaseRequest) -> StartedAttempt | None:
    """Acquire the lease of an attempt, and record that it starts.

    :return: None if the attempt cannot be run, or not now.
    """
    requested_at = clock.since_boot()
    with app_state.database.write_transaction() as session:
        claimed = leases.acquire(session, app_state.models, request._replace(new_events=1))
        if claimed is None:
            return None
        lease, row = claimed
        time = clock.SteadyClock(clock.as_utc(row.database_time))
        graph = _load_graph(session, app_state, Version(row.graph_id, row.graph_version))
        start = _record_start(session, app_state, claimed, graph)
    return StartedAttempt(lease, row, graph, start, requested_at, time)


def _load_graph(session: Session, app_state: AppState, version: Version) -> Graph | Exception:
    cached = graph_cache.current().get(version)
    if cached is not None:
        return cached
    model = app_state.models.graph_version
    key = (model.graph_id == version.graph_id, model.number == version.number)
    document = session.scalars(sa.select(model.document).where(*key)).one()
    try:
        return graph_cache.current().parse_and_store(version, document)
    except Exception as error:  # noqa: BLE001
        # The lease is held, so the error is recorded as this attempt's failure.
        return error


def _record_start(
    session: Session, app_state: AppState, claimed: ClaimedAttempt, graph: Graph | Exception
) -> LastTransition:
    lease, row = claimed
    queued = LastTransition("queued", clock.as_utc(row.queued_at), row.priority)
    started = NewEvent("started", {"attempt": lease.attempt}).at(clock.as_utc(row.database_time))
    outbox.make_due(session, app_state, lease.execution_id)
    steps = [] if isinstance(graph, Exception) else _new_steps(session, app_state, claimed, graph)
    event_log.insert_numbered(
        session,
        app_state,
        lease.execution_id,
        [started],
        row.last_event,
        queued,
        also_insert={table_of(app_state.models.step): steps},
    )
    return queued._replace(type=started.type, at=started.time)


def _has_steps(session: Session, app_state: AppState, lease: Lease) -> bool:
    step = app_state.models.step
    query = sa.select(step.position).where(step.execution_id == lease.execution_id)
    return session.scalars(query.limit(1)).first() is not None


def _new_steps(
    session: Session, app_state: AppState, claimed: ClaimedAttempt, graph: Graph
) -> list[dict[str, t.Any]]:
    """Return one row per task, unless a fork or an earlier attempt has inserted them."""
    lease, row = claimed
    if row.waited_seconds:  # only steps ask people
        return []
    may_have_steps = lease.attempt > 1 or row.forked_from is not None
    if may_have_steps and _has_steps(session, app_state, lease):
        return []
    return [pending_step(lease.execution_id, at, task) for at, task in enumerate(graph.tasks)]


def pending_step(execution_id: uuid.UUID, position: int, task: TaskNode) -> dict[str, t.Any]:
    """Return the row of a step that is still to be run."""
    return {
        "execution_id": execution_id,
        "position": position,
        "node_id": task.id,
        "name": task.name,
        "status": StepStatus.PENDING,
        "truncated": False,
        "generation": 0,
        **Usage()._asdict(),
    }
