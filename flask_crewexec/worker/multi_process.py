"""Several workers on one machine, as processes that share the memory of what is imported once."""

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
from ..process import drain
from .cpu_affinity import pin_to_cpu
from .cpu_affinity import validate_cpu_count
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
    "kombu.transport.redis",
)
"""What Celery imports as late as a worker needs it, each for itself."""


def prefork_workers(
    celery: Celery, count: int, options: Sequence[str], *, pin: bool = False
) -> Sequence[str]:
    """Return in each of *count* processes the options of its worker.

    This process does not return. It starts others again, passes signals on, and ends with them.

    :param pin: keep each on a core of its own.
    :raises click.UsageError: if the options do not fit several workers.
    :raises SystemExit: in this process, when all others have ended.
    """
    of_all = WorkerOptions(options)
    if pin:
        validate_cpu_count(count, of_all.pool or celery.conf.worker_pool)
    _preload(celery, of_all)
    supervisor = Supervisor(count)
    number = supervisor.fork()
    if pin:
        pin_to_cpu(number)
    _run_after_forkers()  # those of kombu and Celery
    drain.reset_after_fork()
    signals.worker_ready.connect(_report_ready(supervisor, number), weak=False)
    return of_all.of_worker(number)


def _preload(celery: Celery, options: WorkerOptions) -> None:
    """Make what all need, and leave no connection open that the workers would share."""
    for module in _PRELOADED_MODULES:
        importlib.import_module(module)
    configure_mappers()
    if options.run_crews:
        preload_runtime()
    with celery.flask_app.app_context():
        for engine in current_app_state().database.extension.engines.values():
            engine.dispose()
    freeze_memory()


def _report_ready(supervisor: Supervisor, number: int) -> t.Callable[..., None]:
    def handle(**options: object) -> None:
        supervisor.mark_ready(number)
        # Celery would start the whole command again, in place of this process.
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))

    return handle
