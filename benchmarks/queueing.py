"""Submissions per second of two web processes, over HTTP, with PostgreSQL and fsync.

No worker runs, but a row says that one has free slots. So every submission publishes its message,
as in the plain service; otherwise ours would hold most of a user's executions in the database.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import itertools
import json
import socket
import time
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import sqlalchemy as sa

from flask_crewexec import clock

from .contenders import Contender
from .contenders import Ours
from .contenders import ours_in_process
from .contenders import ring
from .figures import Figure
from .figures import Profile
from .figures import Target
from .reference.floor import CREATE

WEB_PROCESSES = 2
CLIENTS = 8
"""Number of concurrent requests."""
USERS = 200
PLAIN = Target(3.0, "higher")
FLOOR = Target(0.6, "higher")

Submission = tuple[str, bytes]
"""User and body of a request."""


class Web(t.NamedTuple):
    """A web server that accepts submissions at one path."""

    name: str
    port: int
    path: str
    submissions: Sequence[Submission]

    def submissions_per_second(self, number: int) -> float:
        """Send *number* submissions and return how many were accepted per second."""
        submissions = itertools.islice(itertools.cycle(self.submissions), number)
        with ThreadPoolExecutor(CLIENTS) as pool:
            start = time.perf_counter()
            for _ in pool.map(self._send, submissions):
                pass
            return number / (time.perf_counter() - start)

    def _send(self, submission: Submission) -> None:
        """Send a submission with little CPU time, since the client shares the CPUs."""
        user, body = submission
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nX-User: {user}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(head.encode() + body)
            answer = b"".join(iter(functools.partial(connection.recv, 65_536), b""))
        if not answer.startswith(b"HTTP/1.1 202 "):
            raise RuntimeError(f"{self.name} answered {answer.decode(errors='replace')}")


def measure(profile: Profile) -> list[Figure]:
    """Compare ours with the plain service, with the floor, and with an empty view."""
    with contextlib.ExitStack() as stack:
        ours, plain, _ = stack.enter_context(ring(profile.folder))
        register_worker(ours)
        webs = [stack.enter_context(served(ours)), stack.enter_context(served(plain))]
        webs += stack.enter_context(floors(plain, webs[1].submissions))
        number = profile.pick(600, 2_000)
        for web in webs:
            web.submissions_per_second(number)
        for contender in (ours, plain):
            analyze(contender)
        measures = [functools.partial(web.submissions_per_second, number) for web in webs]
        rates = run_alternately(profile.pick(5, 11), measures)
    targets = (PLAIN, FLOOR, None)
    return [
        Figure("submissions", "submissions/s", rates[0], reference, web.name, target)
        for web, reference, target in zip(webs[1:], rates[1:], targets, strict=True)
    ]


def run_alternately(rounds: int, measures: Sequence[Callable[[], float]]) -> list[list[float]]:
    """Return the results of each measure in each round; each round starts with another measure."""
    results: list[list[float]] = [[] for _ in measures]
    for number in range(rounds):
        for position in range(len(measures)):
            index = (number + position) % len(measures)
            results[index].append(measures[index]())
    return results


@contextlib.contextmanager
def served(contender: Contender) -> Iterator[Web]:
    """Start a service's web server with a graph for each user."""
    with contender.web(f"--workers={WEB_PROCESSES}") as server:
        url = httpx.URL(server.url)
        with httpx.Client(base_url=f"{server.url}{contender.prefix}", timeout=30) as http:
            submissions = [_submission(http, f"user-{n}", contender) for n in range(USERS)]
        path = f"{contender.prefix}/executions"
        yield Web(contender.name, t.cast(int, url.port), path, submissions)


def _submission(http: httpx.Client, user: str, contender: Contender) -> Submission:
    graph = http.post("/graphs", json=contender.graph_of(1), headers={"X-User": user})
    body = {"graph_id": graph.raise_for_status().json()["id"], "inputs": {"topic": "rivers"}}
    return user, json.dumps(body).encode()


@contextlib.contextmanager
def floors(plain: Contender, submissions: Sequence[Submission]) -> Iterator[list[Web]]:
    """Start the web server of the floor, in the database of the plain service."""
    with plain.engine.connect() as connection:
        connection.exec_driver_sql(CREATE)
    url = sa.make_url(plain.database_url).set(drivername="postgresql")
    plain.environment["FLOOR_URL"] = url.render_as_string(hide_password=False)
    app = "benchmarks.reference.floor:app"
    with plain.web(f"--workers={WEB_PROCESSES}", app=app) as server:
        port = t.cast(int, httpx.URL(server.url).port)
        yield [
            Web("INSERT, COMMIT, LPUSH", port, "/executions", submissions),
            Web("an empty view", port, "/empty/executions", submissions),
        ]


def analyze(contender: Contender) -> None:
    """Update the database's statistics, as autovacuum does after a minute."""
    with contender.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")


def register_worker(ours: Ours) -> None:
    """Insert the row of a worker that could run all executions at once."""
    with ours_in_process(ours.environment) as app:
        app_state = app.extensions["crewexec"]
        worker = app_state.models.worker(
            name="placeholder",
            pid=1,
            queues=["crew_execution"],
            pool="threads",
            concurrency=1_000_000,
            started_at=clock.now(),
            seen_at=clock.now() + dt.timedelta(days=1),
        )
        with app_state.database.write_transaction() as session:
            session.add(worker)
