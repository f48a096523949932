"""What the pages show, read from the database in short sessions."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlalchemy.orm import Session

from .. import clock
from .. import graphs
from ..app_state import AppState
from ..errors import InvalidGraph
from ..errors import NotFound
from ..identity import Identity
from ..ids import parse_uuid
from ..models import EventMixin
from ..models import ExecutionMixin
from ..models import StepMixin
from ..models import WorkerMixin
from ..statuses import ExecutionStatus
from ..storage.ownership import visible_to
from .formatting import SHOWN_CHARS

MAX_EVENTS: t.Final = 300
"""How many of the newest events a page shows."""
_MAX_WORKERS: t.Final = 200


@dataclass(frozen=True, kw_only=True)
class ExecutionView:
    """One execution with all that its page shows."""

    execution: ExecutionMixin
    graph_name: str
    graph: graphs.Graph | None
    """None if today's rules do not know the stored document any more."""
    result: str | None
    """The beginning of what the last task answered."""
    steps: Sequence[StepMixin]
    outputs: Mapping[int, str | None]
    """The beginnings of the steps' outputs, by position; whole ones may be large."""
    events: Sequence[EventMixin]
    """The newest ones, oldest first."""


def read_execution(app_state: AppState, execution_id: str, requester: Identity) -> ExecutionView:
    """Return an execution as it is now.

    :raises NotFound: if there is none, or not for *asker*.
    """
    models = app_state.models
    with app_state.database.read_session() as session:
        execution = _find(session, app_state, execution_id, requester)
        key = (execution.graph_id, execution.graph_version)
        version = session.get_one(models.graph_version, key)
        return ExecutionView(
            execution=execution,
            graph_name=session.get_one(models.graph, execution.graph_id).name,
            graph=_parse(version.document),
            result=_result(session, app_state, execution.id),
            steps=_steps(session, app_state, execution.id),
            outputs=_outputs(session, app_state, execution.id),
            events=_newest_events(session, app_state, execution.id),
        )


def _find(
    session: Session, app_state: AppState, execution_id: str, requester: Identity
) -> ExecutionMixin:
    model = app_state.models.execution
    query = visible_to(sa.select(model), model, requester)
    query = query.where(model.id == parse_uuid(execution_id, "execution"))
    found = session.scalar(query.options(defer(model.result, raiseload=True)))
    if found is None:
        raise NotFound(f"There is no execution '{execution_id}'.")
    return found


def _result(session: Session, app_state: AppState, execution_id: uuid.UUID) -> str | None:
    execution = app_state.models.execution
    query = sa.select(_beginning(execution.result)).where(execution.id == execution_id)
    return session.scalar(query)


def _steps(session: Session, app_state: AppState, execution_id: uuid.UUID) -> Sequence[StepMixin]:
    step = app_state.models.step
    query = sa.select(step).where(step.execution_id == execution_id).order_by(step.position)
    return session.scalars(query.options(defer(step.output, raiseload=True))).all()


def _outputs(
    session: Session, app_state: AppState, execution_id: uuid.UUID
) -> dict[int, str | None]:
    step = app_state.models.step
    text = _beginning(step.output)
    query = sa.select(step.position, text).where(step.execution_id == execution_id)
    rows = session.execute(query.where(text.is_not(None)))
    return {position: output for position, output in rows}


def _beginning(answer: t.Any) -> sa.ColumnElement[str | None]:
    """Return the SQL for as much of an answer as a page shows, and one character more."""
    return sa.func.substr(answer["raw"].as_string(), 1, SHOWN_CHARS + 1)


def _parse(document: object) -> graphs.Graph | None:
    try:
        return graphs.parse(document)
    except InvalidGraph:
        return None


def _newest_events(
    session: Session, app_state: AppState, execution_id: uuid.UUID
) -> list[EventMixin]:
    event = app_state.models.event
    query = sa.select(event).where(event.execution_id == execution_id)
    newest = session.scalars(query.order_by(event.seq.desc()).limit(MAX_EVENTS)).all()
    return [*reversed(newest)]


def read_graph_names(
    app_state: AppState, ids: Iterable[str], requester: Identity
) -> dict[str, str]:
    """Return the names of graphs that *asker* may see, also of those out of use."""
    graph = app_state.models.graph
    wanted = {uuid.UUID(id) for id in ids}
    columns: list[t.Any] = [graph.id, graph.name]
    query = visible_to(sa.select(*columns), graph, requester)
    with app_state.database.read_session() as session:
        rows = session.execute(query.where(graph.id.in_(wanted)))
        return {str(id): name for id, name in rows}


class WorkerView(t.NamedTuple):
    """A worker and whether it is still there."""

    worker: WorkerMixin
    silent: float
    """Seconds since its last heartbeat."""
    is_alive: bool


def read_workers(app_state: AppState) -> list[WorkerView]:
    """Return all workers that have not said goodbye, the latest heard of first."""
    worker = app_state.models.worker
    query = sa.select(worker).order_by(worker.seen_at.desc(), worker.name).limit(_MAX_WORKERS)
    with app_state.database.read_session() as session:
        rows = session.scalars(query).all()
    return [_seen(row, app_state.settings.stale_worker_after) for row in rows]


def _seen(worker: WorkerMixin, stale_after: float) -> WorkerView:
    silent = clock.now() - clock.as_utc(worker.seen_at)
    return WorkerView(
        worker, max(0.0, silent.total_seconds()), silent.total_seconds() < stale_after
    )


class Hour(t.NamedTuple):
    """What ended within one hour."""

    begin: dt.datetime
    completed: int = 0
    other: int = 0
    """Failed, cancelled and timed out ones."""
    waiting: float | None = None
    """Mean seconds from being asked for to the first start."""


def read_hours(app_state: AppState, hours: int = 24) -> list[Hour]:
    """Return the last *hours*, the current one last."""
    current = clock.now().replace(minute=0, second=0, microsecond=0)
    begins = [current - dt.timedelta(hours=back) for back in reversed(range(hours))]
    with app_state.database.read_session() as session:
        rows = session.execute(_by_hour(app_state, begins[0])).all()
    found = {int(row.hour): row for row in rows}
    return [_hour(begin, found.get(int(begin.timestamp()))) for begin in begins]


def _hour(begin: dt.datetime, row: t.Any) -> Hour:
    if row is None:
        return Hour(begin)
    # PostgreSQL answers with decimals.
    waiting = None if row.waiting is None else float(row.waiting)
    return Hour(begin, row.completed, row.ended - row.completed, waiting)


def _by_hour(app_state: AppState, since: dt.datetime) -> sa.Select[t.Any]:
    """Return the query for hours, as seconds of the epoch, and what ended in them."""
    execution = app_state.models.execution
    ended = _epoch(execution.finished_at)
    hour = (ended - ended % 3600).label("hour")
    completed = sa.case((execution.status == ExecutionStatus.COMPLETED, 1), else_=0)
    waited = _epoch(execution.started_at) - _epoch(execution.created_at)
    query = sa.select(
        hour,
        sa.func.count().label("ended"),
        sa.func.sum(completed).label("completed"),
        sa.func.avg(waited).label("waiting"),
    )
    return query.where(execution.finished_at >= since).group_by(hour)


def _epoch(column: t.Any) -> sa.ColumnElement[t.Any]:
    """Return the SQL for a moment in seconds; SQLite counts whole ones."""
    return sa.extract("epoch", column)
