"""How an attempt begins: it is claimed, and its start is written down, in one transaction."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import clock
from ..app_state import AppState
from ..execution_context import ExecutionContext
from ..graphs import Graph
from ..models import table_of
from ..models import Usage
from ..statuses import StepStatus
from ..storage.new_event import NewEvent
from . import event_log
from . import leases
from .counters import LastTransition
from .graph_cache import graph_cache
from .graph_cache import Version
from .leases import ClaimedAttempt
from .leases import Lease


class StartedAttempt(t.NamedTuple):
    """An attempt that a worker holds."""

    lease: Lease
    row: sa.Row[t.Any]
    """The execution, without what came of it, and the database's time as ``database_time``."""
    graph: Graph | Exception
    """What is to be run, or why that is not possible any more."""
    start: LastTransition

    @property
    def context(self) -> ExecutionContext:
        """What belongs to the attempt, without its inputs."""
        return ExecutionContext.of(self.row)


def start_attempt(
    app_state: AppState, execution_id: uuid.UUID, attempt: int, *, worker: str, most: int | None
) -> StartedAttempt | None:
    """Claim an attempt for *worker*; None if it is not to be run, or not now.

    :param most: executions of one user that may run at once.
    """
    lease_seconds = app_state.settings.lease_seconds
    with app_state.database.write_transaction() as session:
        key = (session, app_state.models, execution_id, attempt)
        taken = leases.acquire(
            *key, worker=worker, lease_seconds=lease_seconds, most=most, events=1
        )
        if taken is None:
            return None
        lease, row = taken
        graph = _graph(session, app_state, Version(row.graph_id, row.graph_version))
        start = _write_start(session, app_state, taken, graph)
    return StartedAttempt(lease, row, graph, start)


def _graph(session: Session, app_state: AppState, version: Version) -> Graph | Exception:
    known = graph_cache.current().get(version)
    if known is not None:
        return known
    model = app_state.models.graph_version
    key = (model.graph_id == version.graph_id, model.number == version.number)
    document = session.scalars(sa.select(model.document).where(*key)).one()
    try:
        return graph_cache.current().parse_and_store(version, document)
    except Exception as error:  # noqa: BLE001  # the attempt is claimed, and fails of it
        return error


def _write_start(
    session: Session, app_state: AppState, taken: ClaimedAttempt, graph: Graph | Exception
) -> LastTransition:
    models, (lease, row) = app_state.models, taken
    queued = LastTransition("queued", clock.as_utc(row.queued_at), row.priority)
    started = NewEvent("started", {"attempt": lease.attempt})
    steps = {table_of(models.step): _new_steps(session, app_state, lease, graph)}
    key = (lease.execution_id, [started], row.last_event)
    event_log.insert_numbered(session, models, *key, past=queued, beside=steps)
    return queued._replace(type=started.type, at=started.at)


def _has_steps(session: Session, app_state: AppState, lease: Lease) -> bool:
    step = app_state.models.step
    query = sa.select(step.position).where(step.execution_id == lease.execution_id)
    return session.scalars(query.limit(1)).first() is not None


def _new_steps(
    session: Session, app_state: AppState, lease: Lease, graph: Graph | Exception
) -> list[dict[str, t.Any]]:
    """Return one row per task, unless an earlier attempt has made them."""
    if isinstance(graph, Exception) or (
        lease.attempt > 1 and _has_steps(session, app_state, lease)
    ):
        return []
    return [
        {
            "execution_id": lease.execution_id,
            "position": position,
            "node_id": task.id,
            "name": task.name,
            "status": StepStatus.PENDING,
            **Usage()._asdict(),
        }
        for position, task in enumerate(graph.tasks)
    ]
