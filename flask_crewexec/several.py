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

from . import draining
from .binding import current_binding
from .cores import check_cores
from .cores import stay_on_core
from .supervisor import Supervisor
from .worker import freeze
from .worker import import_runtime
from .worker_options import WorkerOptions

_OF_WORKERS: t.Final = (
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


def fork_workers(
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
        check_cores(count, of_all.pool or celery.conf.worker_pool)
    _load(celery, of_all)
    supervisor = Supervisor(count)
    number = supervisor.fork()
    if pin:
        stay_on_core(number)
    _run_after_forkers()  # those of kombu and Celery
    draining.begin_anew()
    signals.worker_ready.connect(_become_ready(supervisor, number), weak=False)
    return of_all.of_worker(number)


def _load(celery: Celery, options: WorkerOptions) -> None:
    """Make what all need, and leave no connection open that the workers would share."""
    for module in _OF_WORKERS:
        importlib.import_module(module)
    configure_mappers()
    if options.run_crews:
        import_runtime()
    with celery.flask_app.app_context():
        for engine in current_binding().database.engines.values():
            engine.dispose()
    freeze()


def _become_ready(supervisor: Supervisor, number: int) -> t.Callable[..., None]:
    def handle(**options: object) -> None:
        supervisor.ready(number)
        # Celery would start the whole command again, in place of this process.
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))

    return handle
