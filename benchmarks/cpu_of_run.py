"""The CPU time of one run, in this process and without a worker."""

from __future__ import annotations

import gc
import time


def cpu_of_run(id: str) -> float:
    """Run an execution within an application context; return its CPU time in milliseconds.

    :raises RuntimeError: if it does not complete.
    """
    from flask_crewexec.messaging import event_publisher
    from flask_crewexec.tasks import execution

    gc.collect()  # so that no run collects the garbage of another
    start = time.process_time()
    outcome = execution.handle({"execution_id": id})["outcome"]
    event_publisher.flush()  # the announcements of a run are part of it
    seconds = time.process_time() - start
    if outcome != "completed":
        raise RuntimeError(f"A run ended as {outcome}")
    return seconds * 1000
