"""Servers and the processes that they fork: what they use, and how they are kept from working."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import psutil

from support.servers.processes import ServerProcess
from support.servers.processes import wait_until

INTERVAL = 0.5
"""Seconds between two looks at the memory."""


def family(server: ServerProcess) -> list[psutil.Process]:
    """Return a server's own process and all that descend from it."""
    return [psutil.Process(server.pid), *server.children()]


@contextlib.contextmanager
def frozen(servers: Sequence[ServerProcess]) -> Iterator[None]:
    """Let servers do nothing meanwhile, even those whose children have groups of their own."""
    processes = list(itertools.chain.from_iterable(map(family, servers)))
    for process in processes:
        process.suspend()
    try:
        wait_until(
            lambda: all(each.status() == psutil.STATUS_STOPPED for each in processes),
            what="the processes to freeze",
        )
        yield
    finally:
        for process in reversed(processes):
            process.resume()


@contextlib.contextmanager
def on_all_cores(server: ServerProcess) -> Iterator[None]:
    """Let a server, whose children may stay on a core each, use all cores meanwhile."""
    processes = family(server)
    before = {
        thread.id: os.sched_getaffinity(thread.id)
        for process in processes
        for thread in process.threads()
    }
    try:
        for each in before:
            os.sched_setaffinity(each, os.sched_getaffinity(0))
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                for thread in process.threads():
                    cores = before.get(thread.id, before[process.pid])  # it may be a new one
                    with contextlib.suppress(ProcessLookupError):  # it may have ended
                        os.sched_setaffinity(thread.id, cores)


class Footprint:
    """Watches servers and the processes that they fork until the end of the ``with``.

    Memory is the proportional set size (PSS): what processes share is counted once in all.
    """

    def __init__(self, servers: Sequence[ServerProcess]) -> None:
        self._servers = servers
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="footprint", daemon=True)
        self.start_mb = 0.0
        self.peak_mb = 0.0
        self.cpu_seconds = 0.0

    def __enter__(self) -> t.Self:
        self._cpu_before = _cpu_seconds(self._processes())
        self.start_mb = self.peak_mb = _megabytes(self._processes())
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        self.cpu_seconds = _cpu_seconds(self._processes()) - self._cpu_before

    def _processes(self) -> Iterator[psutil.Process]:
        return itertools.chain.from_iterable(map(family, self._servers))

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL):
            self.peak_mb = max(self.peak_mb, _megabytes(self._processes()))


def _megabytes(processes: Iterable[psutil.Process]) -> float:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 1e6


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return what they have used so far; of children that have ended, what they had used, too."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total
