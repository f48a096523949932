"""Requests of many clients to one web server, as many as it can answer."""

from __future__ import annotations

import functools
import itertools
import selectors
import socket
import time
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from support.servers.processes import ServerProcess

CLIENTS = 16
"""Number of concurrent requests."""
TIMEOUT_SECONDS = 30
WEB_PROCESSES = 2
SERVER = (
    f"--workers={WEB_PROCESSES}",
    "--worker-class=gthread",
    f"--threads={CLIENTS // WEB_PROCESSES}",
)
"""Options of gunicorn: as the deployment guide has it, with a thread for each client."""


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
        clients = _Clients(self, itertools.islice(itertools.cycle(self.requests), number))
        cpu_before, start = self._cpu_seconds(), time.perf_counter()
        clients.run()
        seconds = time.perf_counter() - start
        cpu_seconds = self._cpu_seconds() - cpu_before
        return Round(number / seconds, cpu_seconds / number * 1000)

    def _cpu_seconds(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.server.children())


class _Clients:
    """Clients that one thread plays.

    They share the CPUs with what they measure: with a thread for each, or with a library for HTTP,
    they would take as much of them as a fast server.
    """

    def __init__(self, load: Load, requests: Iterator[bytes]) -> None:
        self._load = load
        self._requests = requests
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Send all requests, each when another one has been answered."""
        with self._selector:
            for request in itertools.islice(self._requests, CLIENTS):
                self._send(request)
            while self._selector.get_map():
                ready = self._selector.select(TIMEOUT_SECONDS)
                if not ready:
                    raise RuntimeError(f"{self._load.name} does not answer.")
                for key, _ in ready:
                    self._receive(t.cast(socket.socket, key.fileobj), key.data)

    def _send(self, request: bytes) -> None:
        connection = socket.create_connection(("127.0.0.1", self._load.port), TIMEOUT_SECONDS)
        connection.sendall(request)
        self._selector.register(connection, selectors.EVENT_READ, bytearray())

    def _receive(self, connection: socket.socket, answer: bytearray) -> None:
        if received := connection.recv(65_536):
            answer += received
            return
        self._selector.unregister(connection)
        connection.close()
        if not answer.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(f"{self._load.name} answered {answer.decode(errors='replace')}")
        if request := next(self._requests, None):
            self._send(request)


def request(method: str, path: str, user: str, body: bytes = b"") -> bytes:
    """Return a request of a user, with JSON if there is a *body*."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-User: {user}\r\n"
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
