"""Submissions per second of two web processes, over HTTP, with PostgreSQL and fsync.

No worker runs. One installation of ours has the row of a worker with free slots, so every
submission publishes its message, as in the plain service. In another there is none, so all but the
first submission of each user go on hold: into a backlog.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import json
import typing as t
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import httpx
import sqlalchemy as sa

from flask_crewexec import clock
from support.servers.postgres import postgres_server
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

from . import copied_rows
from .contenders import Contender
from .contenders import NO_MODEL
from .contenders import Ours
from .contenders import ours_in_process
from .contenders import Plain
from .contenders import WithDbos
from .figures import Figure
from .figures import Profile
from .figures import Target
from .load import cpu_times
from .load import Load
from .load import measure_alternately
from .load import rates
from .load import request
from .load import Round
from .load import SERVER
from .reference.floor import CREATE

USERS = 200
MANY: t.Final = 20_000
"""How many executions run, or have ended, beside those that are submitted."""
PLAIN, FLOOR, DBOS = (Target(limit, "higher") for limit in (2.0, 0.5, 0.75))
DBOS_CPU = Target(1 / 0.75, "lower")
SAME = Target(0.95, "higher")
FLOOR_NAME, EMPTY_NAME = "INSERT, COMMIT, LPUSH", "an empty view"
UNIT = "submissions/s"

Submission = tuple[str, bytes]
"""User and body of a request."""


class Busy(Ours):
    """Ours, where many executions run."""

    name = f"ours, {MANY:,} running"


class Ended(Ours):
    """Ours, where as many executions have ended: its indexes are as large, and none is counted."""

    name = f"ours, {MANY:,} ended"


class Backlog(Ours):
    """Ours, where each user has something on hold."""

    name = "ours, into a backlog"


def measure(profile: Profile) -> list[Figure]:
    """Compare submissions, with and without a backlog, with the references."""
    with contextlib.ExitStack() as stack:
        loads = {load.name: load for load in loads_of(stack, profile.folder)}
        rounds = measure_alternately(
            profile.pick(5, 11), profile.pick(500, 2_000), list(loads.values())
        )
        found = dict(zip(loads, rounds, strict=True))
    return [
        *_compared("submissions", found[Ours.name], found),
        *_compared("submissions into a backlog", found[Backlog.name], found),
        Figure(
            f"submissions, {MANY:,} running",
            UNIT,
            rates(found[Busy.name]),
            rates(found[Ended.name]),
            f"{MANY:,} ended",
            SAME,
        ),
    ]


def _compared(name: str, ours: Sequence[Round], found: dict[str, list[Round]]) -> Iterator[Figure]:
    targets = {Plain.name: PLAIN, WithDbos.name: DBOS, FLOOR_NAME: FLOOR, EMPTY_NAME: None}
    for reference, target in targets.items():
        if reference in found:
            values = rates(ours), rates(found[reference])
            yield Figure(name, UNIT, *values, reference, target)
    for reference, target in {Plain.name: None, WithDbos.name: DBOS_CPU}.items():
        if reference in found:
            values = cpu_times(ours), cpu_times(found[reference])
            yield Figure(f"web CPU of {name}", "CPU-ms", *values, reference, target)


def loads_of(stack: contextlib.ExitStack, folder: Path) -> Iterator[Load]:
    """Start everything that is compared; *stack* stops it."""
    postgres = stack.enter_context(postgres_server(fsync=True))
    redis = stack.enter_context(RedisProcess(folder / "redis", chosen_redis()))

    def create(kind: type[Contender]) -> t.Any:
        place = folder / kind.__name__.lower()
        place.mkdir()
        contender = kind(place, postgres.fresh_database_url(), redis.url, NO_MODEL)
        stack.callback(contender.engine.dispose)
        contender.create_tables()
        return contender

    ours, busy, ended, backlog = (create(kind) for kind in (Ours, Busy, Ended, Backlog))
    plain = create(Plain)
    for each in (ours, busy, ended):
        register_worker(each)
    for each in (ours, busy, ended, backlog, plain):
        yield stack.enter_context(served(each))
    copied_rows.copy(busy, MANY, **copied_rows.RUNNING)
    copied_rows.copy(ended, MANY, **copied_rows.COMPLETED)
    for each in (ours, busy, ended, backlog, plain):
        analyze(each)
    yield from stack.enter_context(floors(plain))
    if importlib.util.find_spec("dbos") is None:
        print(f"{WithDbos.name} is left out: the package 'dbos' is not installed.")
    else:
        yield stack.enter_context(served(create(WithDbos)))


@contextlib.contextmanager
def served(contender: Contender) -> Iterator[Load]:
    """Start a service's web server, with a graph of each user."""
    with contender.web(*SERVER) as server:
        url = httpx.URL(server.url)
        with httpx.Client(base_url=f"{server.url}{contender.prefix}", timeout=60) as http:
            submissions = [_submission(http, f"user-{n}", contender) for n in range(USERS)]
        path = f"{contender.prefix}/executions"
        requests = [request("POST", path, *submission) for submission in submissions]
        yield Load(contender.name, server, t.cast(int, url.port), requests)


def _submission(http: httpx.Client, user: str, contender: Contender) -> Submission:
    """Return a request body, after one request was sent."""
    graph = contender.store_graph(http, user)
    body = {"graph_id": graph, "inputs": {"topic": "rivers"}}
    http.post("/executions", json=body, headers={"X-User": user}).raise_for_status()
    return user, json.dumps(body).encode()


def analyze(contender: Contender) -> None:
    """Tell PostgreSQL what is in the tables, as it finds out by itself within a minute."""
    with contender.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")


@contextlib.contextmanager
def floors(plain: Contender) -> Iterator[list[Load]]:
    """Start the web server of the floor, in the database of the plain service."""
    with plain.engine.connect() as connection:
        connection.exec_driver_sql(CREATE)
    url = sa.make_url(plain.database_url).set(drivername="postgresql")
    plain.environment["FLOOR_URL"] = url.render_as_string(hide_password=False)
    app = "benchmarks.reference.floor:app"
    body = json.dumps({"inputs": {"topic": "rivers"}}).encode()
    with plain.web(*SERVER, app=app) as server:
        port = t.cast(int, httpx.URL(server.url).port)
        yield [
            Load(name, server, port, [request("POST", path, "user-0", body)])
            for name, path in ((FLOOR_NAME, "/executions"), (EMPTY_NAME, "/empty/executions"))
        ]


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
