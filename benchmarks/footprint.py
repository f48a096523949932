"""CPU and memory of servers with their child processes, and ways to suspend them."""

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
"""Seconds between two samples of the memory."""


def family(server: ServerProcess) -> list[psutil.Process]:
    """Return a server's process and its descendants."""
    return [psutil.Process(server.pid), *server.children()]


@contextlib.contextmanager
def frozen(servers: Sequence[ServerProcess]) -> Iterator[None]:
    """Suspend servers with all their descendants within the block."""
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
    """Let a server whose children are pinned use all CPUs within the block."""
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
                    cores = before.get(thread.id, before[process.pid])  # the thread may be new
                    with contextlib.suppress(ProcessLookupError):  # the thread may have ended
                        os.sched_setaffinity(thread.id, cores)


class Footprint:
    """Measures servers and their descendants until the end of the ``with`` block.

    Memory is the proportional set size (PSS), which counts shared memory once.
    """

    def __init__(self, servers: Sequence[ServerProcess]) -> None:
        self._servers = servers
        self._stopped = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="footprint", daemon=True)
        self.start_mb = 0.0
        self.peak_mb = 0.0
        self.cpu_seconds = 0.0

    def __enter__(self) -> t.Self:
        self._cpu_before = _cpu_seconds(self._processes())
        self.start_mb = self.peak_mb = _megabytes(self._processes())
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._sampler.join()
        self.cpu_seconds = _cpu_seconds(self._processes()) - self._cpu_before

    def _processes(self) -> Iterator[psutil.Process]:
        return itertools.chain.from_iterable(map(family, self._servers))

    def _sample(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self.peak_mb = max(self.peak_mb, _megabytes(self._processes()))


def _megabytes(processes: Iterable[psutil.Process]) -> float:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 1e6


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU time so far, including that of children that have ended."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total
