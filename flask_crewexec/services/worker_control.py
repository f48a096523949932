"""Workers as operators see them: their state, what they run, and their drains."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import typing as t
import uuid
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from ..app_state import AppState
from ..errors import NotFound
from ..ids import parse_uuid
from ..models import ExecutionMixin
from ..models import WorkerMixin
from ..schemas import DrainSchema
from ..schemas import load
from ..statuses import AfterDrain
from ..statuses import WorkerState
from ..storage import workers
from ..storage.execution_lists import list_running
from ..storage.execution_queries import Id
from ..storage.workers import SeenWorker

log = logging.getLogger(__name__)

MAX_WORKERS: t.Final = 200
MAX_RUNNING: t.Final = 1_000
"""How many running executions are looked at."""


class DrainOrder(t.NamedTuple):
    """That a worker is to take nothing new."""

    since: dt.datetime | None
    by: str | None
    """Who has asked for it; None if that is not known."""
    then: AfterDrain


@dataclasses.dataclass(frozen=True)
class WorkerStatus:
    """A worker that has not signed off."""

    row: WorkerMixin
    silent: float
    """Seconds since its last heartbeat."""
    is_alive: bool
    runs: Sequence[ExecutionMixin] = ()
    """The executions that it runs, longest running first."""

    @property
    def host(self) -> str:
        """The machine, from Celery's name of the worker."""
        return self.row.name.rpartition("@")[2]

    @property
    def state(self) -> WorkerState:
        """What it does, as far as its last heartbeat tells."""
        if not self.is_alive:
            return WorkerState.SILENT
        if self.row.drain is None:
            return WorkerState.RUNNING
        has_finished = not self.row.is_consuming and not self.row.busy
        return WorkerState.DRAINED if has_finished else WorkerState.DRAINING

    @property
    def taken(self) -> int | None:
        """How many tasks it runs; None if that is not known.

        A heartbeat says how many there were; executions may have started since.
        """
        return None if self.row.busy is None else max(self.row.busy, len(self.runs))

    @property
    def free(self) -> int | None:
        """How many further tasks it could run; None if that is not known."""
        return None if self.taken is None else max(0, self.row.concurrency - self.taken)

    @property
    def drain(self) -> DrainOrder | None:
        """The order to drain it; None if there is none."""
        if self.row.drain is None:
            return None
        row = self.row
        then = AfterDrain(t.cast(str, row.drain))
        return DrainOrder(row.drain_requested_at, row.drain_requested_by, then)


def list_workers(app_state: AppState) -> list[WorkerStatus]:
    """Return the workers that have not signed off, those with the latest heartbeat first."""
    seen = workers.known_workers(app_state, MAX_WORKERS)
    runs = _by_worker(list_running(app_state, MAX_RUNNING))
    return [_status(app_state, each, runs) for each in seen]


def drain_worker(
    app_state: AppState, worker_id: Id, then: str = AfterDrain.IDLE, by: str | None = None
) -> WorkerStatus:
    """Let a worker finish what it runs and take nothing new, from its next heartbeat on.

    :param then: what it does afterwards: ``"idle"``, until it is resumed, or ``"stop"``.
    :param by: who asks for it.
    :raises NotFound: if no worker has this id: each start of a worker has its own.
    :raises InvalidRequest: if a value cannot be stored.
    """
    given = load(DrainSchema(), {"then": then, "by": by})
    id = parse_uuid(worker_id, "worker")
    wish, models = AfterDrain(given["then"]), app_state.models
    with app_state.database.write_transaction() as session:
        is_changed = workers.request_drain(session, models, id, wish, by)
    found = _find(app_state, id)
    if is_changed:
        log.warning("%s drains the worker %s, then: %s.", by or "An operator", found.row.name, wish)
    return found


def resume_worker(app_state: AppState, worker_id: Id, by: str | None = None) -> WorkerStatus:
    """Let a worker that is drained take tasks again, from its next heartbeat on.

    :param by: who asks for it.
    :raises NotFound: if no worker has this id, for instance because it has stopped.
    """
    id = parse_uuid(worker_id, "worker")
    with app_state.database.write_transaction() as session:
        is_changed = workers.withdraw_drain(session, app_state.models, id)
    found = _find(app_state, id)
    if is_changed:
        log.warning("%s resumes the worker %s.", by or "An operator", found.row.name)
    return found


def _find(app_state: AppState, id: uuid.UUID) -> WorkerStatus:
    seen = workers.find_worker(app_state, id)
    if seen is None:
        raise NotFound(f"There is no worker '{id}'.")
    return _status(app_state, seen, _by_worker(list_running(app_state, MAX_RUNNING)))


def _status(
    app_state: AppState, seen: SeenWorker, runs: Mapping[uuid.UUID | None, list[ExecutionMixin]]
) -> WorkerStatus:
    worker, silent = seen
    is_alive = silent < app_state.settings.stale_worker_after
    return WorkerStatus(worker, silent, is_alive, runs.get(worker.id, []) if worker.id else [])


def _by_worker(
    executions: Iterable[ExecutionMixin],
) -> dict[uuid.UUID | None, list[ExecutionMixin]]:
    found: dict[uuid.UUID | None, list[ExecutionMixin]] = defaultdict(list)
    for execution in executions:
        found[execution.worker_id].append(execution)
    return found
