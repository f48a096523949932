"""What a worker loads before its pool forks."""

from __future__ import annotations

import ctypes
import functools
import gc
import logging

log = logging.getLogger(__name__)


def freeze_memory() -> None:
    """Share as much memory as possible with processes that are forked later.

    What is free is given back, and the garbage collector does not write to what is not.
    """
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's; it keeps much
        trim(0)
    gc.freeze()


@functools.cache
def preload_runtime() -> None:
    """Import what runs crews and run one, or end the worker.

    Celery would only log what a signal raises. Processes that are forked later share what it makes.
    """
    try:
        from ..runtime import runner  # noqa: F401
        from ..runtime.crewai_shims.tested_version import warn_if_untested
        from ..runtime.warm_up import warm_up
    except Exception as error:
        log.critical("This worker cannot run crews.", exc_info=True)
        raise SystemExit(f"CrewAI cannot be loaded: {error}") from error
    warn_if_untested()
    try:
        warm_up()
    except Exception:  # a hook of the host may refuse; crews that somebody ordered may still run
        log.warning("The crew to warm up with did not run.", exc_info=True)
