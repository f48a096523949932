"""Hundreds of crews that wait for their models at once: time, CPU and memory of the workers.

All crews are queued before the workers start. Each has two tasks, and each model call takes a
second, so the makespan is at least two seconds.
"""

from __future__ import annotations

import contextlib
import time
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from support.servers.processes import ServerProcess

from .contenders import Client
from .contenders import Contender
from .contenders import ModelProcess
from .contenders import Pool
from .contenders import Ring
from .contenders import ring
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target
from .footprint import Footprint
from .footprint import frozen
from .running import Direct

CREWS = 200
MANY = 1000
TASKS = 2
LATENCY = 1.0
OURS: Sequence[Pool] = [("threads", 100), ("threads", 100)]
"""One worker for each pool."""
PLAIN: Sequence[Pool] = [("threads", 64)]
PLAIN_TWICE: Sequence[Pool] = [("threads", 100), ("threads", 100)]
PLAIN_PREFORK: Sequence[Pool] = [("prefork", 2)]


class Run(t.NamedTuple):
    """Time, CPU and memory of a run of many crews."""

    makespan: float
    """Seconds from the start of the workers to the end of the last crew."""
    cpu_per_crew: float
    """CPU seconds of all processes of the workers."""
    peak_mb: float
    growth_per_call: float
    """Megabytes for each concurrent model call."""
    most_in_flight: int


class Crowd:
    """Workers that are suspended while crews are queued."""

    def __init__(
        self,
        contender: Contender,
        model: ModelProcess,
        client: Client,
        workers: Sequence[ServerProcess],
    ) -> None:
        self._contender = contender
        self._model = model
        self._client = client
        self._workers = workers
        self._graph = client.graph(TASKS)

    def warm_up(self) -> None:
        """Run some crews, so that all modules are imported and compiled."""
        self._run(20, 0.0)

    def run(self, number: int) -> Run:
        """Run *number* crews and check the number of model calls."""
        with Footprint(self._workers) as footprint:
            makespan = self._run(number, LATENCY)
        calls = self._model.calls()
        if calls["calls"] != number * TASKS:
            raise RuntimeError(f"{number} crews made {calls['calls']} calls")
        growth = (footprint.peak_mb - footprint.start_mb) / calls["most_in_flight"]
        cpu = footprint.cpu_seconds / number
        return Run(makespan, cpu, footprint.peak_mb, growth, calls["most_in_flight"])

    def _run(self, number: int, latency: float) -> float:
        self._model.reset(latency)
        before = self._contender.finished().number
        with frozen(self._workers):
            for _ in range(number):
                self._client.queue(self._graph)
            start = time.time()
        return self._contender.wait_for(before + number, seconds=600) - start


@contextlib.contextmanager
def crowd(contender: Contender, model: ModelProcess, pools: Sequence[Pool]) -> Iterator[Crowd]:
    """Start a web server and the workers."""
    with contextlib.ExitStack() as stack:
        web = stack.enter_context(contender.web())
        client = stack.enter_context(contender.client(web))
        workers = [stack.enter_context(worker) for worker in contender.workers(pools)]
        crowd = Crowd(contender, model, client, workers)
        crowd.warm_up()
        yield crowd


def measure(profile: Profile) -> list[Figure]:
    """Measure makespan, CPU and memory for 200 crews; in the full profile also for 1,000."""
    rounds = profile.pick(2, 3)
    with ring(profile.folder) as services:
        idle = _idle(services.ours)
        with crowd(services.ours, services.model, OURS) as ours:
            figures = [idle, *_against(PLAIN, services, ours, rounds)]
            figures.append(_against_coroutines(profile, services, ours, rounds))
            if profile.full:
                figures += _thousand(ours)
                figures += _against(PLAIN_TWICE, services, ours, rounds)[:3]
                figures += _against(PLAIN_PREFORK, services, ours, 1)[:3]
    return figures


def _idle(contender: Contender) -> Figure:
    """Compare workers that are started by one command with workers that are started separately."""
    together, apart = contender.workers(OURS), Contender.workers(contender, OURS)
    ours, reference = ([_memory(workers)] for workers in (together, apart))
    return Figure(f"{len(OURS)} idle workers, memory", "MB PSS", ours, reference, "separately")


def _memory(workers: Sequence[ServerProcess]) -> float:
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        return stack.enter_context(Footprint(workers)).start_mb


def _against(pools: Sequence[Pool], services: Ring, ours: Crowd, rounds: int) -> list[Figure]:
    pool, concurrency = pools[0]
    times = f"{len(pools)} workers, " if len(pools) > 1 else ""
    name = f"plain service, {times}{pool} -c {concurrency}"
    with crowd(services.plain, services.model, pools) as plain:
        runs = alternate(rounds, lambda: ours.run(CREWS), lambda: plain.run(CREWS))
    return _figures(*runs, name)


def _against_coroutines(profile: Profile, services: Ring, ours: Crowd, rounds: int) -> Figure:
    """Compare with crews in two event loops without a service."""
    with contextlib.ExitStack() as stack:
        loops = [
            stack.enter_context(
                Direct(services.model.url, str(profile.folder / name), "coroutines")
            )
            for name in ("first", "second")
        ]

        def run(number: int, latency: float) -> float:
            services.model.reset(latency)
            for loop in loops:
                loop.begin(number // len(loops), TASKS)
            return max([loop.seconds() for loop in loops])

        run(20, 0.0)
        our_times, their_times = alternate(
            rounds, lambda: ours.run(CREWS).makespan, lambda: run(CREWS, LATENCY)
        )
    name = "coroutines without a service, 2 processes"
    return Figure(f"{CREWS} crews, makespan", "s", our_times, their_times, name)


def _figures(ours: Sequence[Run], plain: Sequence[Run], name: str) -> list[Figure]:
    def figure(
        what: str, unit: str, value: Callable[[Run], float], limit: float | None = None
    ) -> Figure:
        target = None if limit is None else Target(limit, "lower", of="ours")
        of_ours, of_plain = ([value(run) for run in runs] for runs in (ours, plain))
        return Figure(f"{CREWS} crews, {what}", unit, of_ours, of_plain, name, target)

    return [
        figure("makespan", "s", lambda run: run.makespan, 10.0),
        figure("CPU per crew", "CPU-s", lambda run: run.cpu_per_crew, 0.07),
        figure("memory of the workers", "MB PSS", lambda run: run.peak_mb, 500.0),
        figure("memory per call in flight", "MB PSS", lambda run: run.growth_per_call, 1.0),
        figure("most calls in flight", "calls", lambda run: run.most_in_flight),
    ]


def _thousand(ours: Crowd) -> list[Figure]:
    many, few = alternate(2, lambda: ours.run(MANY), lambda: ours.run(CREWS))
    factor = MANY / CREWS
    name, note = f"{MANY} crews, makespan", f"The reference is {factor:g} times {CREWS} crews."
    makespans = [run.makespan for run in many]
    expected = [factor * run.makespan for run in few]
    growth = [run.growth_per_call for run in many]
    of_few = [run.growth_per_call for run in few]
    fewer = f"ours, {CREWS} crews"
    return [
        Figure(name, "s", makespans, expected, fewer, Target(1.15, "lower"), note),
        Figure(
            f"{MANY} crews, memory per call in flight",
            "MB PSS",
            growth,
            of_few,
            fewer,
            Target(1.0, "lower", of="ours"),
        ),
    ]
