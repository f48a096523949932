"""Whether an exception ends this process, or only pretends to.

``SystemExit`` and ``KeyboardInterrupt`` are also raised by libraries, and by tools. Then the run
fails, and the worker goes on.
"""

from __future__ import annotations

import signal
import threading

from billiard.common import terminate_handler_fired
from celery.exceptions import WorkerShutdown
from celery.exceptions import WorkerTerminate


def ends_process(error: BaseException) -> bool:
    """Return whether *error* was raised because this process is told to end."""
    if isinstance(error, Exception):
        return False
    if isinstance(error, WorkerShutdown | WorkerTerminate):  # by Celery's pool "solo"
        return True
    if terminate_handler_fired():  # in a child of a process pool
        return True
    return isinstance(error, KeyboardInterrupt) and _is_interactive()


def _is_interactive() -> bool:
    """Return whether Ctrl+C raises ``KeyboardInterrupt`` here: in a command, but in no worker."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    return in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
