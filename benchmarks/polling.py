"""Status of an execution that waits, which clients poll, beside that of one that has completed."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator
from pathlib import Path

import httpx

from support.servers.postgres import postgres_server
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

from . import copied_rows
from .contenders import Contender
from .contenders import NO_MODEL
from .contenders import Ours
from .contenders import Plain
from .contenders import USER
from .figures import Figure
from .figures import Profile
from .figures import Target
from .load import cpu_times
from .load import Load
from .load import measure_alternately
from .load import rates
from .load import request
from .load import SERVER

FEW, MANY = 10, 10_000
"""Numbers of executions that wait."""
CHOSEN = 200
"""How many executions are read in rotation, at most."""
COMPLETED = Target(1 / 1.5, "higher")
PLAIN = Target(1.0, "higher")


def measure(profile: Profile) -> list[Figure]:
    """Compare the status of queued executions with that of completed ones, and with the plain's."""
    with contextlib.ExitStack() as stack:
        loads = {load.name: load for load in loads_of(stack, profile.folder)}
        rounds = measure_alternately(
            profile.pick(5, 11), profile.pick(600, 2_000), list(loads.values())
        )
        found = dict(zip(loads, rounds, strict=True))
    figures = []
    for waiting in (FEW, MANY):
        name = f"status of a queued execution, {waiting:,} waiting"
        queued, completed = found[f"queued, {waiting}"], found[f"completed, {waiting}"]
        values = rates(queued), rates(completed)
        figures.append(Figure(name, "responses/s", *values, "of a completed one", COMPLETED))
        values = rates(queued), rates(found[Plain.name])
        figures.append(Figure(name, "responses/s", *values, Plain.name, PLAIN))
        values = cpu_times(queued), cpu_times(completed)
        figures.append(Figure(f"web CPU of {name}", "CPU-ms", *values, "of a completed one"))
    return figures


def loads_of(stack: contextlib.ExitStack, folder: Path) -> Iterator[Load]:
    """Start everything that is compared; *stack* stops it."""
    postgres = stack.enter_context(postgres_server(fsync=True))
    redis = stack.enter_context(RedisProcess(folder / "redis", chosen_redis()))

    def create(kind: type[Contender], name: str) -> t.Any:
        place = folder / name
        place.mkdir()
        contender = kind(place, postgres.fresh_database_url(), redis.url, NO_MODEL)
        stack.callback(contender.engine.dispose)
        contender.create_tables()
        return contender

    for waiting in (FEW, MANY):
        yield from stack.enter_context(_served(create(Ours, f"ours{waiting}"), waiting))
    yield stack.enter_context(_served_plain(create(Plain, "plain")))


@contextlib.contextmanager
def _served(ours: Ours, waiting: int) -> Iterator[list[Load]]:
    """Start our web server with executions that wait, and others that have completed."""
    with ours.web(*SERVER) as server:
        with ours.client(server) as client:
            client.queue(client.graph(1))
        queued = copied_rows.copy(ours, waiting - 1, **copied_rows.QUEUED)
        completed = copied_rows.copy(ours, CHOSEN, **copied_rows.COMPLETED)
        port = t.cast(int, httpx.URL(server.url).port)
        yield [
            Load(
                f"{name}, {waiting}",
                server,
                port,
                [request("GET", f"{ours.prefix}/executions/{id}", user) for id, user in rows],
            )
            for name, rows in (("queued", queued[:CHOSEN]), ("completed", completed))
        ]


@contextlib.contextmanager
def _served_plain(plain: Plain) -> Iterator[Load]:
    with plain.web(*SERVER) as server:
        with plain.client(server) as client:
            graph = client.graph(1)
            for _ in range(CHOSEN):
                client.queue(graph)
        with plain.engine.connect() as connection:
            ids = connection.exec_driver_sql(f"SELECT id FROM {plain.executions}").scalars().all()
        requests = [request("GET", f"/executions/{id}", USER) for id in ids]
        yield Load(Plain.name, server, t.cast(int, httpx.URL(server.url).port), requests)
