"""Last resort for hung runs: kill the process or replace the thread.

The execution has already ended in the database, so whatever the run still does is ignored.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import typing as t
from collections.abc import Callable
from concurrent.futures import thread as executors

log = logging.getLogger(__name__)

HungRunStrategy = Callable[[threading.Thread, str], None]
"""Called with the thread of the run and the id of its Celery task."""


def log_only(thread: threading.Thread, task_id: str) -> None:
    """Only log it, since this process must not be ended."""
    log.error("Task %s does not stop, and this process cannot be ended because of it.", task_id)


def kill_process(thread: threading.Thread, task_id: str) -> None:
    """Kill this child of a process pool; its parent starts another one."""
    log.error("Task %s does not stop; killing its process.", task_id)
    os.kill(os.getpid(), signal.SIGKILL)


class ReplaceThread:
    """Replace the hung thread in Celery's thread pool by a new one."""

    def __init__(self, pool: t.Any) -> None:
        self._pool = pool
        self._hung: list[threading.Thread] = []

    def __call__(self, thread: threading.Thread, task_id: str) -> None:
        log.error("Task %s does not stop; replacing its thread.", task_id)
        self._hung.append(thread)
        # Otherwise the worker could neither replace the thread nor exit before it ends.
        self._pool.executor._threads.discard(thread)
        executors._threads_queues.pop(thread, None)  # type: ignore[attr-defined]
        _forget_request(task_id)

    def exit_without_hung_threads(self) -> None:
        """Let the process exit with its main thread even if hung threads still run."""
        if any(thread.is_alive() for thread in self._hung):
            # The last registered function runs first: before Python joins the threads of all
            # executors, including those in which CrewAI calls tools.
            threading._register_atexit(_exit_now)  # type: ignore[attr-defined]


def _forget_request(task_id: str) -> None:
    """Let Celery count the task as done, so that the worker takes the next message."""
    from celery.worker import state  # only workers need it

    for request in list(state.reserved_requests):
        if request.id == task_id:
            state.task_ready(request)


def _exit_now() -> None:
    atexit._run_exitfuncs()
    os._exit(0)


_strategy: HungRunStrategy = log_only


def set_strategy(strategy: HungRunStrategy) -> None:
    """Set how this process handles hung runs."""
    global _strategy
    _strategy = strategy


def handle_hung_run(thread: threading.Thread, task_id: str) -> None:
    """Apply the strategy of this process to a run that does not stop."""
    _strategy(thread, task_id)
