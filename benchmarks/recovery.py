"""What the death of a worker costs: crews that run while one of two workers is killed.

Each crew has two tasks, each model call takes a second, and the worker is killed once all crews
are running. There is no beat, so only those who notice the death can recover them.
"""

from __future__ import annotations

import functools
import time
import typing as t

from support.servers.celery_nodes import WorkerProcesses
from support.servers.processes import wait_until

from .contenders import Client
from .contenders import Ours
from .contenders import Pool
from .contenders import ring
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target
from .footprint import frozen

TARGET = Target(10.0, "lower", of="ours")
"""Far less than a lease, which is 30 seconds long."""
CREWS = 40
TASKS = 2
LATENCY = 1.0
POOLS: t.Final[list[Pool]] = [("threads", 20), ("threads", 20)]


def measure(profile: Profile) -> list[Figure]:
    """Measure the time until all crews are finished, with and without the death of a worker."""
    with (
        ring(profile.folder) as services,
        services.ours.web() as web,
        services.ours.client(web) as client,
    ):
        (workers,) = services.ours.workers(POOLS)
        with workers:
            graph = client.graph(TASKS)
            services.model.reset(LATENCY)
            run = functools.partial(
                _run, services.ours, client, graph, t.cast(WorkerProcesses, workers)
            )
            run(kill=False)  # imports and compiles what is needed
            killed, undisturbed = alternate(
                profile.pick(2, 5),
                functools.partial(run, kill=True),
                functools.partial(run, kill=False),
            )
    name = f"{CREWS} crews of {TASKS} calls of {LATENCY:g} s, one of {len(POOLS)} workers killed"
    return [Figure(name, "s", killed, undisturbed, "undisturbed", TARGET)]


def _run(ours: Ours, client: Client, graph: str, workers: WorkerProcesses, *, kill: bool) -> float:
    """Run all crews and return the seconds that they took."""
    before = ours.finished().number
    with frozen([workers]):
        for _ in range(CREWS):
            client.queue(graph)
        start = time.time()
    if kill:
        _kill_one(ours, workers)
    return ours.wait_for(before + CREWS) - start


def _kill_one(ours: Ours, workers: WorkerProcesses) -> None:
    """Kill a worker when all crews are running, and wait for its successor."""
    wait_until(lambda: ours.running() == CREWS, what="the start of all crews")
    starts = workers.log_text().count(" ready.")
    workers.children()[0].kill()
    wait_until(lambda: workers.log_text().count(" ready.") > starts, what="the next worker")
