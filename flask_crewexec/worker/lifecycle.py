"""The life of a Celery worker: what it loads, what it forgets after a fork, how it is seen.

Celery's signals run without an application context and for every Celery app of the process, so
each handler is made for one Celery app and looks whether it is meant.
"""

from __future__ import annotations

import logging
import signal
import typing as t
import weakref
from collections.abc import Callable

from billiard.process import current_process
from celery import Celery
from celery import signals

from ..app_state import current_app_state
from ..messaging import event_publisher
from ..messaging.queues import EXECUTION_QUEUE
from ..messaging.queues import EXECUTION_TASK
from ..process import drain
from ..process import stuck_runs
from .heartbeat import _queues
from .heartbeat import Heartbeat
from .preload import freeze_memory
from .preload import preload_runtime

log = logging.getLogger(__name__)

CONNECTED = "crewexec_signals"
LOOK_SECONDS = 0.05
"""Costs an idle worker about 1 % of a core."""


def connect_signals(celery: Celery) -> None:
    """Make workers of *celery* ready for us; once per Celery app."""
    if getattr(celery, CONNECTED, None) is None:
        setattr(celery, CONNECTED, WorkerSignals(celery).connect())


class WorkerSignals:
    """The signal handlers of one Celery app."""

    def __init__(self, celery: Celery) -> None:
        # Celery keeps the handlers for ever; the app that they are for may go.
        self._reference = weakref.ref(celery)
        self._heartbeat: Heartbeat | None = None
        self._retirement: stuck_runs.ReplaceThread | None = None

    def _is_for(self, celery: object) -> bool:
        return celery is self._reference()

    def connect(self) -> t.Self:
        signals.celeryd_after_setup.connect(self._preload, weak=False)
        signals.worker_process_init.connect(self._after_fork, weak=False)
        signals.worker_ready.connect(self._poll_hub_frequently, weak=False)
        signals.worker_ready.connect(self._retire_stuck_threads, weak=False)
        signals.worker_ready.connect(self._start_heartbeat, weak=False)
        signals.worker_ready.connect(self._drain_on_sigquit, weak=False)
        signals.worker_shutting_down.connect(self._drain, weak=False)
        signals.task_revoked.connect(self._cancel_revoked, weak=False)
        signals.worker_process_shutdown.connect(self._flush_notifications, weak=False)
        signals.worker_shutdown.connect(self._stop, weak=False)
        return self

    def _preload(self, instance: t.Any, **options: object) -> None:
        """Import crewai once, before the pool forks: its children then share the memory."""
        if self._is_for(instance.app) and EXECUTION_QUEUE in _queues(instance):
            preload_runtime()
            freeze_memory()

    def _after_fork(self, **options: object) -> None:
        """Leave the parent's database connections to the parent; a stuck child may be killed."""
        celery = self._reference()
        if celery is None or current_process().name == "MainProcess":  # as with the pool "solo"
            return
        stuck_runs.set_strategy(stuck_runs.kill_process)
        with celery.flask_app.app_context():
            current_app_state().database.dispose()

    def _flush_notifications(self, **options: object) -> None:
        """Say what there is to say: a child ends without waiting for its threads."""
        celery = self._reference()
        if celery is not None:
            with celery.flask_app.app_context():
                event_publisher.flush()

    def _poll_hub_frequently(self, sender: t.Any, **options: object) -> None:
        """Fetch the next message as soon as a thread is free.

        Nothing wakes Celery's event loop when a thread ends its task, and without prefetching it
        would take the next message up to a second later. Pools of processes wake it themselves.
        """
        threads = sender.hub is not None and not sender.pool.uses_semaphore
        if self._is_for(sender.app) and threads:
            sender.hub.call_repeatedly(LOOK_SECONDS, lambda: None)

    def _retire_stuck_threads(self, sender: t.Any, **options: object) -> None:
        """Let a worker with a pool of threads live on when one of them hangs."""
        if self._is_for(sender.app) and hasattr(sender.pool, "executor"):
            self._retirement = stuck_runs.ReplaceThread(sender.pool)
            stuck_runs.set_strategy(self._retirement)

    def _drain_on_sigquit(self, sender: t.Any, **options: object) -> None:
        """Hand runs back at SIGQUIT: Celery waits for them, and only then tells of the signal."""
        if not self._is_for(sender.app):
            return
        quit = t.cast(Callable[..., object], signal.getsignal(signal.SIGQUIT))

        def handle(*arguments: object) -> None:
            if current_process().name == "MainProcess":
                drain.start_drain(0)
            quit(*arguments)

        signal.signal(signal.SIGQUIT, handle)

    def _drain(self, how: str, **options: object) -> None:
        """Give runs some time to end before they are handed back."""
        celery = self._reference()
        if celery is not None and how == "Warm":
            with celery.flask_app.app_context():
                drain.start_drain(current_app_state().settings.drain_timeout)

    def _cancel_revoked(
        self, sender: t.Any, request: t.Any, expired: bool, **options: object
    ) -> None:
        celery = self._reference()
        if celery is None or sender is not celery.tasks.get(EXECUTION_TASK) or expired:
            return
        from .revocation import cancel_revoked  # imports what only workers need

        cancel_revoked(celery, request.id)

    def _start_heartbeat(self, sender: t.Any, **options: object) -> None:
        if self._is_for(sender.app):
            self._heartbeat = Heartbeat(sender.app, sender.controller)
            self._heartbeat.start()

    def _stop(self, sender: t.Any, **options: object) -> None:
        if self._is_for(sender.app) and self._heartbeat is not None:
            self._heartbeat.stop()
        if self._is_for(sender.app) and self._retirement is not None:
            self._flush_notifications()
            self._retirement.exit_without_hung_threads()
