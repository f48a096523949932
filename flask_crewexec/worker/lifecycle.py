"""Signal handlers of Celery workers: preloading, forking, heartbeat, revocation and shutdown.

Celery sends its signals without an application context and for every Celery app of the process,
so each handler belongs to one Celery app and ignores the signals of others.
"""

from __future__ import annotations

import logging
import signal
import typing as t
from collections.abc import Callable

from billiard.process import current_process
from celery import Celery
from celery import signals

from ..app_state import current_app_state
from ..messaging import event_publisher
from ..messaging.queues import execution_queue
from ..messaging.queues import EXECUTION_TASK
from ..messaging.queues import notification_queue
from ..notifications.dispatcher import deliver_here
from ..process import drain
from ..process import stuck_runs
from ..process import worker_id
from .heartbeat import consumed_queues
from .heartbeat import Heartbeat
from .lost_settings import refuse_without_our_settings
from .other_apps import refuse_without_our_tasks
from .preload import check_registered
from .preload import freeze_memory
from .preload import preload_runtime
from .recovery import recover_in_background

log = logging.getLogger(__name__)

HUB_POLL_SECONDS: t.Final = 0.05
"""How often the event loop looks for a message; costs an idle worker about 1 % of a CPU."""

_ATTRIBUTE: t.Final = "crewexec_signals"


def connect_signals(celery: Celery) -> None:
    """Connect our handlers to the workers of *celery*, once per Celery app."""
    if getattr(celery, _ATTRIBUTE, None) is None:
        setattr(celery, _ATTRIBUTE, WorkerSignals(celery).connect())


class WorkerSignals:
    """The signal handlers of one Celery app, which keeps them; Celery's signals do not."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._heartbeat: Heartbeat | None = None
        self._thread_replacement: stuck_runs.ReplaceThread | None = None

    def _is_for(self, celery: object) -> bool:
        return celery is self._celery

    def _runs_executions(self, worker: t.Any) -> bool:
        celery = worker.app
        return self._is_for(celery) and execution_queue(celery) in consumed_queues(worker)

    def connect(self) -> t.Self:
        signals.celeryd_init.connect(self._check_broker)
        signals.celeryd_after_setup.connect(self._begin)
        signals.celeryd_after_setup.connect(self._refuse_without_our_tasks)
        signals.celeryd_after_setup.connect(self._refuse_without_our_settings)
        signals.celeryd_after_setup.connect(self._fetch_only_what_can_start)
        signals.celeryd_after_setup.connect(self._preload)
        signals.celeryd_after_setup.connect(self._deliver_notifications)
        signals.worker_process_init.connect(self._after_fork)
        signals.worker_ready.connect(self._poll_hub_frequently)
        signals.worker_ready.connect(self._replace_hung_threads)
        signals.worker_ready.connect(self._start_heartbeat)
        signals.worker_ready.connect(self._drain_on_sigquit)
        signals.worker_shutting_down.connect(self._drain)
        signals.task_revoked.connect(self._cancel_revoked)
        signals.worker_process_shutdown.connect(self._flush_announcements)
        signals.worker_shutdown.connect(self._stop)
        return self

    def _check_broker(self, instance: t.Any, **options: object) -> None:
        """Let the worker check its broker before it consumes."""
        if self._is_for(instance.app):
            from .broker_check import CheckBroker  # only workers need Celery's steps

            instance.app.steps["consumer"].add(CheckBroker)

    def _begin(self, instance: t.Any, **options: object) -> None:
        """Name this start of the worker, before its pool forks."""
        if self._is_for(instance.app):
            worker_id.begin()

    def _refuse_without_our_tasks(self, instance: t.Any, **options: object) -> None:
        """End a worker of the host that seems to be ours but does not know our tasks."""
        refuse_without_our_tasks(self._celery, instance)

    def _refuse_without_our_settings(self, instance: t.Any, **options: object) -> None:
        """End a worker of ours that would not find our messages."""
        refuse_without_our_settings(self._celery, instance)

    def _fetch_only_what_can_start(self, instance: t.Any, **options: object) -> None:
        """Let executions wait in Redis, where any worker finds them, if this one runs them."""
        if self._runs_executions(instance):
            instance.app.conf.worker_disable_prefetch = True

    def _preload(self, instance: t.Any, **options: object) -> None:
        """Import crewai once before the pool forks, so that its children share the memory."""
        if self._runs_executions(instance):
            preload_runtime()
            self._check_registered()
            freeze_memory()

    def _deliver_notifications(self, instance: t.Any, **options: object) -> None:
        """Let the processes of this worker deliver what they write, if it serves the queue."""
        celery = instance.app
        if self._is_for(celery) and notification_queue(celery) in consumed_queues(instance):
            deliver_here(celery)

    def _check_registered(self) -> None:
        with self._celery.flask_app.app_context():
            check_registered(current_app_state())

    def _after_fork(self, **options: object) -> None:
        """Drop the parent's database connections; let hung runs kill this child.

        The child also recovers what the one that it replaces was running.
        """
        if current_process().name == "MainProcess":  # the pool "solo" does not fork
            return
        stuck_runs.set_strategy(stuck_runs.kill_process)
        with self._celery.flask_app.app_context():
            current_app_state().database.dispose()
        recover_in_background(self._celery)

    def _flush_announcements(self, **options: object) -> None:
        """Flush pending announcements: the child exits without joining its threads."""
        with self._celery.flask_app.app_context():
            event_publisher.flush()

    def _poll_hub_frequently(self, sender: t.Any, **options: object) -> None:
        """Fetch the next message as soon as a thread is free.

        Nothing wakes up Celery's event loop when a thread has finished its task, and without
        prefetching it would fetch the next message up to a second later. Process pools wake it up
        themselves.
        """
        threads = sender.hub is not None and not sender.pool.uses_semaphore
        if self._is_for(sender.app) and threads:
            sender.hub.call_repeatedly(HUB_POLL_SECONDS, lambda: None)

    def _replace_hung_threads(self, sender: t.Any, **options: object) -> None:
        """Keep a worker with a thread pool running when one of the threads hangs."""
        if self._is_for(sender.app) and hasattr(sender.pool, "executor"):
            self._thread_replacement = stuck_runs.ReplaceThread(sender.pool)
            stuck_runs.set_strategy(self._thread_replacement)

    def _drain_on_sigquit(self, sender: t.Any, **options: object) -> None:
        """Release runs at SIGQUIT: Celery waits for them before it sends a signal of its own."""
        if not self._is_for(sender.app):
            return
        previous = t.cast(Callable[..., object], signal.getsignal(signal.SIGQUIT))

        def handle(*arguments: object) -> None:
            if current_process().name == "MainProcess":
                drain.start_drain(0)
            previous(*arguments)

        signal.signal(signal.SIGQUIT, handle)

    def _drain(self, how: str, **options: object) -> None:
        """Give runs some time to finish before they are released."""
        if how == "Warm":
            with self._celery.flask_app.app_context():
                drain.start_drain(current_app_state().settings.drain_timeout)

    def _cancel_revoked(
        self, sender: t.Any, request: t.Any, expired: bool, **options: object
    ) -> None:
        if sender is not self._celery.tasks.get(EXECUTION_TASK) or expired:
            return
        from .revocation import cancel_revoked  # imports modules that only workers need

        cancel_revoked(self._celery, request.id)

    def _start_heartbeat(self, sender: t.Any, **options: object) -> None:
        if self._is_for(sender.app):
            self._heartbeat = Heartbeat(sender.app, sender.controller)
            self._heartbeat.start()

    def _stop(self, sender: t.Any, **options: object) -> None:
        if self._is_for(sender.app) and self._heartbeat is not None:
            self._heartbeat.stop()
        if self._is_for(sender.app) and self._thread_replacement is not None:
            self._flush_announcements()
            self._thread_replacement.exit_without_hung_threads()
