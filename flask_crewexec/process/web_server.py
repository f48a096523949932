"""What the web server that runs this process says of itself."""

from __future__ import annotations

import signal
import typing as t

STOP_CHECK_SECONDS: t.Final = 1.0
"""How often requests that wait look whether the server is about to stop."""


def is_stopping() -> bool:
    """Return whether gunicorn has told this worker to stop, or it reached ``--max-requests``.

    gunicorn then waits for open requests until its ``graceful_timeout``, and tells nobody else: no
    hook runs, so its worker is found through the signal handler. With other servers this is False.
    """
    return getattr(_gunicorn_worker(), "alive", True) is False


def request_threads() -> int | None:
    """Return how many requests gunicorn's worker handles at once; None if no threads limit it."""
    config = getattr(_gunicorn_worker(), "cfg", None)
    if getattr(config, "worker_class_str", None) not in ("gthread", "sync"):
        return None
    return t.cast(int, config.threads)  # type: ignore[union-attr]


def _gunicorn_worker() -> object:
    """Return gunicorn's worker, or what else handles the signal to terminate."""
    return getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
