"""What becomes of a run that does not stop, because a tool hangs.

Its execution has ended in the database by then, so nothing that it still does counts.
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
"""Takes the thread of the run and the id of its Celery task."""


def log_only(thread: threading.Thread, task_id: str) -> None:
    """Do nothing: this process is not ours to end."""
    log.error("Task %s does not stop, and this process cannot end it.", task_id)


def kill_process(thread: threading.Thread, task_id: str) -> None:
    """End this child of a pool of processes; its parent starts another one."""
    log.error("Task %s does not stop; its process is killed.", task_id)
    os.kill(os.getpid(), signal.SIGKILL)


class ReplaceThread:
    """Go on without a thread of Celery's pool of threads: its place is given to a new one."""

    def __init__(self, pool: t.Any) -> None:
        self._pool = pool
        self._retired: list[threading.Thread] = []

    def __call__(self, thread: threading.Thread, task_id: str) -> None:
        log.error("Task %s does not stop; the worker goes on without its thread.", task_id)
        self._retired.append(thread)
        # Otherwise the worker could neither replace the thread nor end before it.
        self._pool.executor._threads.discard(thread)
        executors._threads_queues.pop(thread, None)  # type: ignore[attr-defined]
        _forget_request(task_id)

    def exit_without_hung_threads(self) -> None:
        """Let the process end with its main thread even if retired threads still run."""
        if any(thread.is_alive() for thread in self._retired):
            # What is registered last runs first: before Python joins the threads of all executors,
            # among which are those in which CrewAI calls the tools.
            threading._register_atexit(_end_now)  # type: ignore[attr-defined]


def _forget_request(task_id: str) -> None:
    """Let the worker count the task as done, so that it takes the next message."""
    from celery.worker import state  # only workers need it

    for request in list(state.reserved_requests):
        if request.id == task_id:
            state.task_ready(request)


def _end_now() -> None:
    atexit._run_exitfuncs()
    os._exit(0)


_abandon: HungRunStrategy = log_only


def set_strategy(method: HungRunStrategy) -> None:
    """Set what this process does with runs that do not stop."""
    global _abandon
    _abandon = method


def handle_hung_run(thread: threading.Thread, task_id: str) -> None:
    """Go on without a run that does not stop."""
    _abandon(thread, task_id)
