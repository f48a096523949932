"""How many orders a second two web processes take: by HTTP, with PostgreSQL and fsync.

No worker runs, but a row says that one has free places. So every order sends its message at once,
as the plain service does, where ours would otherwise keep a user's others in the database.
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
"""How many orders are under way at once."""
USERS = 200
PLAIN = Target(3.0, "higher")
FLOOR = Target(0.6, "higher")

Order = tuple[str, bytes]
"""A user and the body of a request."""


class Web(t.NamedTuple):
    """A web server that takes orders at one path."""

    name: str
    port: int
    path: str
    orders: Sequence[Order]

    def orders_per_second(self, number: int) -> float:
        """Send so many orders and return how many were taken in a second."""
        orders = itertools.islice(itertools.cycle(self.orders), number)
        with ThreadPoolExecutor(CLIENTS) as pool:
            began = time.perf_counter()
            for _ in pool.map(self._send, orders):
                pass
            return number / (time.perf_counter() - began)

    def _send(self, order: Order) -> None:
        """Send one order with as little work as possible: the client shares the processors."""
        user, body = order
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
    """Return ours against the plain service, against the floor, and against an empty view."""
    with contextlib.ExitStack() as stack:
        ours, plain, _ = stack.enter_context(ring(profile.folder))
        promise_places(ours)
        webs = [stack.enter_context(served(ours)), stack.enter_context(served(plain))]
        webs += stack.enter_context(floors(plain, webs[1].orders))
        number = profile.pick(600, 2_000)
        for web in webs:
            web.orders_per_second(number)
        for contender in (ours, plain):
            analyze(contender)
        measures = [functools.partial(web.orders_per_second, number) for web in webs]
        rates = take_turns(profile.pick(5, 11), measures)
    targets = (PLAIN, FLOOR, None)
    return [
        Figure("orders queued", "orders/s", rates[0], reference, web.name, target)
        for web, reference, target in zip(webs[1:], rates[1:], targets, strict=True)
    ]


def take_turns(rounds: int, measures: Sequence[Callable[[], float]]) -> list[list[float]]:
    """Return what each measure returned in each round; each begins as many rounds as the others."""
    results: list[list[float]] = [[] for _ in measures]
    for turn in range(rounds):
        for place in range(len(measures)):
            chosen = (turn + place) % len(measures)
            results[chosen].append(measures[chosen]())
    return results


@contextlib.contextmanager
def served(contender: Contender) -> Iterator[Web]:
    """Start a service's web server with a graph for each user."""
    with contender.web(f"--workers={WEB_PROCESSES}") as server:
        url = httpx.URL(server.url)
        with httpx.Client(base_url=f"{server.url}{contender.prefix}", timeout=30) as http:
            orders = [_order(http, f"user-{n}", contender) for n in range(USERS)]
        yield Web(contender.name, t.cast(int, url.port), f"{contender.prefix}/executions", orders)


def _order(http: httpx.Client, user: str, contender: Contender) -> Order:
    graph = http.post("/graphs", json=contender.graph_of(1), headers={"X-User": user})
    order = {"graph_id": graph.raise_for_status().json()["id"], "inputs": {"topic": "rivers"}}
    return user, json.dumps(order).encode()


@contextlib.contextmanager
def floors(plain: Contender, orders: Sequence[Order]) -> Iterator[list[Web]]:
    """Start the web server of the least that can be done, beside the plain service's data."""
    with plain.engine.connect() as connection:
        connection.exec_driver_sql(CREATE)
    url = sa.make_url(plain.database_url).set(drivername="postgresql")
    plain.environment["FLOOR_URL"] = url.render_as_string(hide_password=False)
    app = "benchmarks.reference.floor:app"
    with plain.web(f"--workers={WEB_PROCESSES}", app=app) as server:
        port = t.cast(int, httpx.URL(server.url).port)
        yield [
            Web("INSERT, COMMIT, LPUSH by hand", port, "/executions", orders),
            Web("an empty view", port, "/empty/executions", orders),
        ]


def analyze(contender: Contender) -> None:
    """Let the database learn what its tables hold, as it does by itself after a minute."""
    with contender.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")


def promise_places(ours: Ours) -> None:
    """Let the database say that a worker is alive that could run everything at once."""
    with ours_in_process(ours.environment) as app:
        app_state = app.extensions["crewexec"]
        worker = app_state.models.worker(
            name="promise",
            pid=1,
            queues=["crew_execution"],
            pool="threads",
            concurrency=1_000_000,
            started_at=clock.now(),
            seen_at=clock.now() + dt.timedelta(days=1),
        )
        with app_state.database.write_transaction() as session:
            session.add(worker)
