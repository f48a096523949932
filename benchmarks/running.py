"""Crews per second of one worker process, and of crews without a service.

All crews are queued before the worker starts, and the model answers immediately. Our process and
the one without a service have one CPU each, which is fastest for both.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator

from support.paths import ROOT
from support.servers.processes import ServerProcess

from .contenders import Client
from .contenders import Contender
from .contenders import QUIET
from .contenders import ring
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target
from .footprint import frozen
from .footprint import on_all_cores

TARGET = Target(3.0, "higher")
SIZES = (1, 5)
"""Numbers of tasks of a crew."""
PLAIN = "plain service, prefork -c 1"
UNPINNED = "the same without --pin"
THREADS = 8
"""Other crews continue while one waits for the database."""


Rate = Callable[[int, int], float]
"""Takes numbers of crews and tasks; returns crews per second."""


class Direct:
    """Crews without a service, in a process of their own.

    :param module: module of ``benchmarks.reference`` that runs them.
    :param cores: CPUs to run on; by default all.
    """

    def __init__(
        self, model_url: str, storage: str, module: str = "direct", cores: Collection[int] = ()
    ) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.reference.{module}", model_url],
            cwd=ROOT,
            env={**os.environ, **QUIET, "CREWAI_STORAGE_DIR": storage},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if cores:
            os.sched_setaffinity(self._child.pid, cores)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    def crews_per_second(self, number: int, tasks: int) -> float:
        """Run *number* crews."""
        self.begin(number, tasks)
        return number / self.seconds()

    def begin(self, number: int, tasks: int) -> None:
        """Start *number* crews."""
        print(number, tasks, file=self._child.stdin, flush=True)

    def seconds(self) -> float:
        """Wait for the crews and return their duration."""
        if self._child.stdout is None:
            raise RuntimeError("The crews have no pipe")
        return float(self._child.stdout.readline())


class Runner:
    """One worker that is suspended while crews are queued."""

    def __init__(self, contender: Contender, client: Client, worker: ServerProcess) -> None:
        self._contender = contender
        self._client = client
        self._worker = worker
        self._graph = functools.cache(client.graph)

    def crews_per_second(self, number: int, tasks: int) -> float:
        """Queue *number* crews, then let the worker run them."""
        before = self._contender.finished().number
        with frozen([self._worker]):
            for _ in range(number):
                self._client.queue(self._graph(tasks))
            began = time.time()
        return number / (self._contender.wait_for(before + number) - began)

    def crews_per_second_unpinned(self, number: int, tasks: int) -> float:
        """Do the same on all CPUs."""
        with on_all_cores(self._worker):
            return self.crews_per_second(number, tasks)


@contextlib.contextmanager
def runner(contender: Contender, pool: str, concurrency: int) -> Iterator[Runner]:
    """Start a web server and a worker that runs crews in one process."""
    with (
        contender.web() as web,
        contender.client(web) as client,
    ):
        (worker,) = contender.workers([(pool, concurrency)])
        with worker:
            yield Runner(contender, client, worker)


def measure(profile: Profile) -> list[Figure]:
    """Measure crews per second, with one task and with five."""
    storage = str(profile.folder / "direct")
    with (
        ring(profile.folder) as (ours, plain, model),
        runner(ours, "threads", THREADS) as run,
        Direct(model.url, storage, cores=sorted(os.sched_getaffinity(0))[:1]) as direct,
    ):
        loop = direct.crews_per_second
        figures = [_compare(profile, tasks, run, loop, "direct kickoff loop") for tasks in SIZES]
        figures.append(_compare(profile, 1, run, run.crews_per_second_unpinned, UNPINNED))
        if profile.full:
            with runner(plain, "prefork", 1) as other:
                rate = other.crews_per_second
                figures += [_compare(profile, tasks, run, rate, PLAIN) for tasks in SIZES]
    return figures


def _compare(profile: Profile, tasks: int, ours: Runner, reference: Rate, name: str) -> Figure:
    number = max(2, profile.pick(30, 90) // tasks)
    rates = (ours.crews_per_second, reference)
    turns = [functools.partial(rate, number, tasks) for rate in rates]
    for warm_up in turns:
        warm_up()
    rounds = alternate(profile.pick(3, 7), *turns)
    what = f"crews run, {tasks} task{'s' if tasks > 1 else ''}"
    target = None if name in (PLAIN, UNPINNED) else TARGET
    return Figure(what, "crews/s", *rounds, name, target)
