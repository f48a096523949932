"""Time of reads with a thousand executions, and with a million.

Ours is read at both sizes over HTTP, alternately with the plain service, which lists with
OFFSET and COUNT. Everything is filled by the database itself before the web servers start.
"""

from __future__ import annotations

import contextlib
import itertools
import time
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import httpx
import sqlalchemy as sa

from support import bulk_data
from support.servers.postgres import postgres_server
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

from .contenders import Contender
from .contenders import NO_MODEL
from .contenders import Ours
from .contenders import Plain
from .contenders import USER
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target

TARGET = Target(1.3, "lower")
FEW = 1_000
EVERY = 150.0
"""Seconds from one execution to the next, so that an equal number ended today at both sizes."""
PAGE = 50
CHOSEN = 200
"""Number of executions that are read by id."""
NOTE = (
    "Filled with one execution every 150 s of 201 users, 400 of them unfinished, a tenth of them"
    " with 3 steps and 10 events."
)

Paths = Mapping[str, list[str]]
"""Paths by name; they are read in rotation, so that no response is always cached."""


class _OursWithPages(Ours):
    web_app = "benchmarks.pages:app"


class Reader:
    """Reads from a service that has *executions* executions."""

    def __init__(self, service: str, url: str, executions: int, paths: Paths) -> None:
        self.service = service
        self._http = httpx.Client(base_url=url, headers={"X-User": USER}, timeout=60)
        self._paths = {name: itertools.cycle(each) for name, each in paths.items()}
        self.executions = executions

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def names(self) -> list[str]:
        return [*self._paths]

    def milliseconds(self, name: str) -> float:
        """Return the time of one request."""
        start = time.perf_counter()
        self.get(name)
        return (time.perf_counter() - start) * 1000

    def get(self, name: str) -> httpx.Response:
        """Read the next path of that name.

        :raises RuntimeError: if the response is an error.
        """
        answer = self._http.get(next(self._paths[name]))
        if answer.status_code != httpx.codes.OK:
            raise RuntimeError(f"{answer.url} answered {answer.status_code}: {answer.text}")
        return answer


@contextlib.contextmanager
def reader(
    contender: Contender, executions: int, fill: Callable[[sa.Connection, int], Paths]
) -> Iterator[Reader]:
    """Fill a service, start its web server, and read everything once."""
    contender.create_tables()
    engine = sa.create_engine(contender.database_url)
    start = time.monotonic()
    with engine.connect() as connection:
        paths = fill(connection, executions)
        size = connection.exec_driver_sql(
            "SELECT pg_database_size(current_database())"
        ).scalar_one()
    seconds = time.monotonic() - start
    print(f"{contender.name}: {executions:,} executions, {size >> 20} MiB, in {seconds:.0f} s")
    engine.dispose()
    with contender.web() as web, Reader(contender.name, web.url, executions, paths) as reader:
        for name in reader.names * 20:
            reader.milliseconds(name)
        yield reader


def fill_ours(connection: sa.Connection, executions: int) -> Paths:
    """Fill our tables; a tenth of the executions have steps and events."""
    with _without_indexes(connection):
        bulk_data.fill(connection, executions, every=EVERY, detailed=executions // 10)
    mine = "FROM crewexec_execution AS execution WHERE owner_id = :user"
    mine_ids = _ids(connection, f"SELECT id {mine} ORDER BY random() LIMIT {CHOSEN}")
    detailed = "AND EXISTS (SELECT 1 FROM crewexec_event WHERE execution_id = execution.id)"
    detailed_ids = _ids(connection, f"SELECT id {mine} {detailed} ORDER BY random() LIMIT {CHOSEN}")
    queued = _ids(connection, f"SELECT id {mine} AND status = 'queued' LIMIT {CHOSEN}")
    middle = f"(SELECT count(*) / 2 {mine})"
    (before,) = _ids(connection, f"SELECT id {mine} ORDER BY id DESC OFFSET {middle} LIMIT 1")
    lists, pages = "/crewexec/executions", "/crewexec-dashboard/executions"
    return {
        "status by id": [f"{lists}/{id}" for id in mine_ids],
        "status by id, queued": [f"{lists}/{id}" for id in queued],
        "list, first page": [lists],
        "list, middle page": [f"{lists}?before={before}"],
        "list by status": [f"{lists}?status=completed"],
        "events": [f"{lists}/{id}/events" for id in detailed_ids],
        "dashboard, list": [pages],
        "dashboard, execution": [f"{pages}/{id}" for id in detailed_ids],
    }


def fill_plain(connection: sa.Connection, executions: int) -> Paths:
    """Fill the tables of the plain service with rows of the same number, size and mix."""
    graph = "INSERT INTO graph (id, owner_id, definition) VALUES (gen_random_uuid(), :user, '{}')"
    connection.execute(sa.text(graph), {"user": USER})
    rows = sa.text(_PLAIN)
    given = {"user": USER, "count": executions, "every": EVERY, "answer": "A long answer. " * 15}
    connection.execute(rows, given)
    connection.commit()
    connection.execution_options(isolation_level="AUTOCOMMIT")
    connection.exec_driver_sql("VACUUM ANALYZE")
    mine = "FROM execution WHERE user_id = :user"
    ids = _ids(connection, f"SELECT id {mine} ORDER BY random() LIMIT {CHOSEN}")
    (count,) = _ids(connection, f"SELECT count(*) {mine}")
    return {
        "status by id": [f"/executions/{id}" for id in ids],
        "list, first page": ["/executions"],
        "list, middle page": [f"/executions?page={int(count) // PAGE // 2}"],
    }


_PLAIN = """
INSERT INTO execution
    (id, graph_id, user_id, status, priority, inputs, result, created_at, started_at, finished_at)
SELECT gen_random_uuid(), graph.id,
    CASE WHEN i % 7 IN (1, 3, 5) THEN :user ELSE 'user-' || (i / 7) % 200 END,
    CASE WHEN i % 100 < 90 THEN 'completed' ELSE 'failed' END, 5, '{"topic": "tea"}',
    json_build_object('raw', CAST(:answer AS text)), born, born, born + interval '90 s'
FROM graph, generate_series(0, :count - 1) AS i,
    LATERAL (SELECT now() - (:count - i) * :every * interval '1 s' AS born) AS moment
"""


@contextlib.contextmanager
def _without_indexes(connection: sa.Connection) -> Iterator[None]:
    """Drop the indexes within the block and create them afterwards, in half the time."""
    ours = "FROM pg_indexes WHERE tablename LIKE 'crewexec%' AND indexname ~ '^[iu]x_'"
    found = connection.execute(sa.text(f"SELECT indexname, indexdef {ours}")).all()
    for name, _ in found:
        connection.execute(sa.text(f"DROP INDEX {name}"))
    yield
    for _, definition in found:
        connection.execute(sa.text(definition))


def _ids(connection: sa.Connection, query: str) -> list[str]:
    return [str(id) for id in connection.scalars(sa.text(query), {"user": USER})]


@contextlib.contextmanager
def readers(folder: Path, sizes: Sequence[int]) -> Iterator[dict[tuple[str, int], Reader]]:
    """Start ours and the plain service with each number of executions."""
    kinds = ((_OursWithPages, fill_ours), (Plain, fill_plain))
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(postgres_server(fsync=True))
        redis = stack.enter_context(RedisProcess(folder / "redis", chosen_redis()))
        found = {}
        for (kind, fill), size in itertools.product(kinds, sizes):
            place = folder / f"{kind.__name__.lower()}{size}"
            place.mkdir()
            contender = kind(place, postgres.fresh_database_url(), redis.url, NO_MODEL)
            found[kind.name, size] = stack.enter_context(reader(contender, size, fill))
        yield found


def measure(profile: Profile) -> list[Figure]:
    """Measure our times with many and few executions, then those of the plain service."""
    many = profile.pick(100_000, 1_000_000)
    with readers(profile.folder, (FEW, many)) as found:
        growth = [
            _compare(profile, name, reader, found[kind, FEW])
            for (kind, size), reader in found.items()
            if size == many
            for name in reader.names
        ]
        compared = [
            _compare(profile, name, found[Ours.name, size], found[Plain.name, size])
            for size in (FEW, many)
            for name in found[Plain.name, size].names
        ]
    return [*growth, *compared]


def _compare(profile: Profile, name: str, reader: Reader, other: Reader) -> Figure:
    # A round is a single request, so that longer disturbances affect both equally.
    rounds = profile.pick(100, 300)
    times = alternate(rounds, lambda: reader.milliseconds(name), lambda: other.milliseconds(name))
    is_ours = reader.service == Ours.name
    if reader.service != other.service:
        title = f"{name}, {reader.executions:,} executions"
        return Figure(title, "ms", *times, f"{other.service}, OFFSET and COUNT")
    title = f"{name}, {reader.executions:,} executions{'' if is_ours else ', plain service'}"
    reference = f"{other.executions:,} executions"
    note = NOTE if name == "status by id" else ""
    return Figure(title, "ms", *times, reference, TARGET if is_ours else None, note)
