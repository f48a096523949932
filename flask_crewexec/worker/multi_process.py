"""Several workers on one machine: processes that share the memory of what is imported once."""

from __future__ import annotations

import importlib
import signal
import typing as t
from collections.abc import Sequence

from billiard.util import _run_after_forkers
from celery import Celery
from celery import signals
from sqlalchemy.orm import configure_mappers

from ..app_state import current_app_state
from ..messaging.queues import execution_queue
from ..process import drain
from .cpu_affinity import pin_to_cpu
from .cpu_affinity import validate_cpu_count
from .drain_order import on_retirement
from .options import WorkerOptions
from .preload import freeze_memory
from .preload import preload_runtime
from .supervisor import Supervisor

_PRELOADED_MODULES: t.Final = (
    "billiard.pool",
    "celery.app.control",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.concurrency.thread",
    "celery.worker.autoscale",
    "celery.worker.consumer",
    "flask_crewexec.messaging.transports",
)
"""Modules that Celery would otherwise import in each worker."""


def prefork_workers(
    celery: Celery, count: int, options: Sequence[str], *, pin: bool = False
) -> Sequence[str]:
    """Fork *count* workers and return in each of them its options.

    In the parent this does not return: it restarts workers, forwards signals, and exits with them.

    :param pin: pin each worker to a CPU of its own.
    :raises click.UsageError: if the options do not suit several workers.
    :raises SystemExit: in the parent, when all workers have ended.
    """
    worker_options = WorkerOptions(options)
    if pin:
        validate_cpu_count(count, worker_options.pool or celery.conf.worker_pool)
    _preload(celery, worker_options)
    supervisor = Supervisor(count)
    number = supervisor.fork()
    if pin:
        pin_to_cpu(number)
    _run_after_forkers()  # the handlers of kombu and Celery
    drain.reset_after_fork()
    signals.worker_ready.connect(_report_ready(supervisor, number), weak=False)
    return worker_options.for_worker(number)


def _preload(celery: Celery, options: WorkerOptions) -> None:
    """Import what all workers need, and close the connections that they would share."""
    for module in _PRELOADED_MODULES:
        importlib.import_module(module)
    configure_mappers()
    if options.consume(execution_queue(celery)):
        preload_runtime()
    with celery.flask_app.app_context():
        for engine in current_app_state().database.extension.engines.values():
            engine.dispose()
    freeze_memory()


def _report_ready(supervisor: Supervisor, number: int) -> t.Callable[..., None]:
    def handle(**options: object) -> None:
        supervisor.mark_ready(number)
        on_retirement(lambda: supervisor.mark_retired(number))
        # Celery would restart the whole command in place of this process.
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))

    return handle
