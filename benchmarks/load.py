"""Requests of many clients to one web server, as many as it can answer."""

from __future__ import annotations

import functools
import itertools
import socket
import time
import typing as t
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from support.servers.processes import ServerProcess

CLIENTS = 16
"""Number of concurrent requests."""
WEB_PROCESSES = 2


class Round(t.NamedTuple):
    """What was measured while some requests were answered."""

    per_second: float
    cpu_ms: float
    """CPU time of the web processes for each request."""


class Load(t.NamedTuple):
    """Requests to one web server, which are sent in rotation."""

    name: str
    server: ServerProcess
    port: int
    requests: Sequence[bytes]

    def measure(self, number: int) -> Round:
        """Send *number* requests."""
        requests = itertools.islice(itertools.cycle(self.requests), number)
        with ThreadPoolExecutor(CLIENTS) as pool:
            cpu_before, start = self._cpu_seconds(), time.perf_counter()
            for _ in pool.map(self._send, requests):
                pass
            seconds = time.perf_counter() - start
        cpu_seconds = self._cpu_seconds() - cpu_before
        return Round(number / seconds, cpu_seconds / number * 1000)

    def _cpu_seconds(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.server.children())

    def _send(self, request: bytes) -> None:
        """Send a request with little CPU time, since the client shares the CPUs."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            answer = b"".join(iter(functools.partial(connection.recv, 65_536), b""))
        if not answer.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(f"{self.name} answered {answer.decode(errors='replace')}")


def request(method: str, path: str, user: str, body: bytes = b"") -> bytes:
    """Return a request of a user, with JSON if there is a *body*."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-User: {user}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def measure_alternately(rounds: int, number: int, loads: Sequence[Load]) -> list[list[Round]]:
    """Return the rounds of each load, after one that does not count."""
    for load in loads:
        load.measure(number)
    return run_alternately(rounds, [functools.partial(load.measure, number) for load in loads])


def run_alternately(rounds: int, measures: Sequence[Callable[[], Round]]) -> list[list[Round]]:
    """Return the results of each measure in each round; each round starts with another measure."""
    results: list[list[Round]] = [[] for _ in measures]
    for number in range(rounds):
        for position in range(len(measures)):
            index = (number + position) % len(measures)
            results[index].append(measures[index]())
    return results


def rates(rounds: Sequence[Round]) -> list[float]:
    """Return the requests per second of each round."""
    return [each.per_second for each in rounds]


def cpu_times(rounds: Sequence[Round]) -> list[float]:
    """Return the milliseconds of CPU time of each round."""
    return [each.cpu_ms for each in rounds]
