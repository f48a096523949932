"""Whether the web server that runs this process is about to stop."""

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
    worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(worker, "alive", True) is False
