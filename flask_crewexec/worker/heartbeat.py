"""The heartbeat of a worker: a row in the database that it updates regularly."""

from __future__ import annotations

import logging
import os
import threading
import time
import typing as t
import uuid
from collections.abc import Callable

from celery import Celery

from ..app_state import AppState
from ..app_state import current_app_state
from ..config.versions import CREWAI
from ..config.versions import installed_version
from ..config.versions import PACKAGE
from ..process import incarnation
from ..process import worker_id
from ..statuses import AfterDrain
from ..storage import workers
from .drain_order import DrainOrder
from .queue_claim import keep_queues
from .queue_claim import release_queues
from .recovery import try_to_recover

log = logging.getLogger(__name__)


class Heartbeat(threading.Thread):
    """Updates this worker's row in the database; deletes it when the worker stops.

    It also takes orders to drain the worker, and recovers executions of other processes of this
    machine that have died.
    """

    def __init__(self, celery: Celery, worker: t.Any) -> None:
        super().__init__(name="crewexec-heartbeat", daemon=True)
        self._celery = celery
        self._worker = worker
        self._queues = consumed_queues(worker)
        self._drain = DrainOrder(worker, self._queues)
        self._stopped = threading.Event()
        self._began = time.monotonic()

    def run(self) -> None:
        with self._celery.flask_app.app_context():
            app_state = current_app_state()
            while True:
                self._attempt(app_state, self._beat)
                self._attempt(app_state, self._keep_queues)
                try_to_recover(app_state)
                if self._stopped.wait(app_state.settings.heartbeat_interval):
                    break
            self._attempt(app_state, self._remove)
            self._attempt(app_state, self._release_queues)

    def stop(self) -> None:
        """Stop the thread, which deletes the row."""
        self._stopped.set()
        self.join(timeout=5)

    def _attempt(self, app_state: AppState, action: Callable[[AppState], None]) -> None:
        try:
            action(app_state)
        except Exception:
            # The database may be unavailable for a moment; the next heartbeat tries again.
            log.warning("Could not store the heartbeat of this worker.", exc_info=True)

    def _beat(self, app_state: AppState) -> None:
        with app_state.database.write_transaction() as session:
            uptime = time.monotonic() - self._began
            order = workers.record_heartbeat(session, app_state.models, self._process(), uptime)
        self._drain.follow(order)
        if order is AfterDrain.STOP and self._drain.has_finished():
            self._retire(app_state)

    def _retire(self, app_state: AppState) -> None:
        """Stop the worker, unless it was resumed in the meantime."""
        if self._stopped.is_set():
            return
        id = t.cast(uuid.UUID, worker_id.current())
        with app_state.database.write_transaction() as session:
            is_retired = workers.retire(session, app_state.models, id)
        if is_retired:
            self._stopped.set()
            self._drain.stop_worker()

    def _keep_queues(self, app_state: AppState) -> None:
        keep_queues(app_state, self._queues)

    def _release_queues(self, app_state: AppState) -> None:
        release_queues(app_state, self._queues)

    def _process(self) -> workers.WorkerProcess:
        process = incarnation.current()
        return workers.WorkerProcess(
            name=self._worker.hostname,
            pid=os.getpid(),
            incarnation=None if process is None else str(process),
            queues=sorted(self._queues),
            pool=_pool_name(self._worker),
            concurrency=self._worker.concurrency,
            version=installed_version(PACKAGE),
            crewai_version=installed_version(CREWAI),
            id=worker_id.current(),
            busy=self._drain.busy,
            is_consuming=self._drain.is_consuming,
        )

    def _remove(self, app_state: AppState) -> None:
        with app_state.database.write_transaction() as session:
            workers.delete_worker(session, app_state.models, self._process())


def consumed_queues(worker: t.Any) -> set[str]:
    """Return the names of the queues that a Celery worker consumes."""
    return set(worker.app.amqp.queues.consume_from)


def _pool_name(worker: t.Any) -> str:
    return str(worker.pool_cls.__module__).rpartition(".")[2]
