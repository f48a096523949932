"""Streams of real web servers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import typing as t
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.servers.gunicorn import Gunicorn
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis
from support.sse_client import parse
from support.sse_client import ServerEvent

HEADERS = {"X-User": "ada", "Accept": "text/event-stream"}
THREADS = ("--worker-class=gthread", "--threads=4")
OPTIONS: dict[str, t.Any] = {"timeout": 60, "trust_env": False}
GEVENT = ("--worker-class=gevent", "--worker-connections=400", "--timeout=120")


def url_of(server: Gunicorn, id: str) -> str:
    return f"{server.url}/crewexec/executions/{id}/events"


def numbers(events: list[ServerEvent]) -> list[int]:
    return [int(event.id) for event in events if event.id]


def stored_numbers(api, id: str) -> list[int]:
    return [event["seq"] for event in api("GET", f"/executions/{id}/events").json["events"]]


@pytest.mark.postgresql
@pytest.mark.settings(MAX_STREAMS_PER_USER=1000)
class TestManyStreams:
    EXECUTIONS = 50
    STREAMS = 200

    def test_each_gets_every_event_in_order(self, start_server, start_worker, api, model):
        server = start_server(*GEVENT)
        ids = [api.queue(documents.chain("a")) for _ in range(self.EXECUTIONS)]
        opened = threading.Semaphore(0)
        chosen = [ids[number % len(ids)] for number in range(self.STREAMS)]
        results: list[list[ServerEvent]] = []
        reader = threading.Thread(
            target=lambda: results.extend(asyncio.run(read_all(server, chosen, opened)))
        )
        reader.start()
        for _ in chosen:
            assert opened.acquire(timeout=60)
        start_worker(pool="threads", concurrency=8)
        reader.join(200)
        assert [events[-1].type for events in results] == ["end"] * self.STREAMS
        for id, events in zip(chosen, results, strict=True):
            assert numbers(events) == stored_numbers(api, id)


async def read_all(
    server: Gunicorn, ids: list[str], opened: threading.Semaphore
) -> list[list[ServerEvent]]:
    """Read a stream for each id to its end, all at once."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        headers=HEADERS, timeout=180, limits=limits, trust_env=False
    ) as client:
        return await asyncio.gather(*(read(client, url_of(server, id), opened) for id in ids))


async def read(
    client: httpx.AsyncClient, url: str, opened: threading.Semaphore
) -> list[ServerEvent]:
    async with client.stream("GET", url) as answer:
        assert answer.status_code == 200
        lines = []
        async for line in answer.aiter_lines():
            lines.append(line)
            if len(lines) == 1:
                opened.release()
        return list(parse(lines))


class TestClientThatComesAndGoes:
    def test_it_misses_nothing_and_gets_nothing_twice(self, start_server, api, model):
        server = start_server(*THREADS)
        id = api.queue(documents.chain("a", "b", "c"))
        run_of_dice = random.Random(4)
        seen: list[ServerEvent] = []
        runner = in_context(lambda: run(id))
        while not seen or seen[-1].type != "end":
            headers = {**HEADERS, "Last-Event-ID": str(numbers(seen)[-1])} if seen else HEADERS
            with httpx.stream("GET", url_of(server, id), headers=headers, **OPTIONS) as answer:
                for event in parse(answer.iter_lines()):
                    seen.append(event)
                    if event.type == "end" or run_of_dice.random() < 0.4:
                        break
        runner.join(30)
        assert numbers(seen) == stored_numbers(api, id)


def in_context(action: Callable[[], object]) -> threading.Thread:
    """Start a thread that does something within the application context."""
    app = current_app_state().celery.flask_app

    def work() -> None:
        with app.app_context():
            action()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.postgresql
@pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=0.1, MAX_STREAMS=3)
class TestClientsThatGoAway:
    def test_they_give_back_their_places_and_never_held_a_connection(self, start_server, api):
        server = start_server(*THREADS)
        url = url_of(server, api.queue(documents.chain("a")))
        with contextlib.ExitStack() as stack:
            assert [open_stream(stack, url) for _ in range(3)] == [200, 200, 503]
            wait_until(lambda: busy_connections() == 0, what="all transactions to end")
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                wait_until(lambda: open_stream(stack, url) == 200, what="a free place")


@pytest.mark.sqlite_enough
@pytest.mark.settings(STREAM_HEARTBEAT_INTERVAL=250.0)
@pytest.mark.parametrize("options", [THREADS, GEVENT], ids=["threads", "greenlets"])
def test_a_client_that_hangs_up_is_noticed_without_a_heartbeat(start_server, api, options):
    server = start_server(*options)
    url = url_of(server, api.queue(documents.chain("a")))
    with contextlib.ExitStack() as stack:
        assert open_stream(stack, url) == 200
        assert open_streams(server) == 1
    wait_until(lambda: open_streams(server) == 0, what="the end of the stream")


def open_streams(server: Gunicorn) -> float:
    """Return how many streams the server counts."""
    url, headers = f"{server.url}/crewexec/metrics", {"X-User": host.ADMIN}
    found = httpx.get(url, headers=headers, **OPTIONS).text
    (line,) = (each for each in found.splitlines() if each.startswith("crewexec_open_streams "))
    return float(line.split()[1])


def open_stream(stack: contextlib.ExitStack, url: str) -> int:
    answer = stack.enter_context(httpx.stream("GET", url, headers=HEADERS, **OPTIONS))
    return answer.status_code


def busy_connections() -> int:
    """Count the connections of web servers that are within a transaction."""
    query = sa.text(
        "select count(*) from pg_stat_activity where state like 'idle in transaction%'"
        " and datname = current_database()"
    )
    with current_app_state().database.read_session() as session:
        return session.scalars(query).one()


class TestLostBroker:
    @pytest.fixture
    def redis_process(self, tmp_path):
        """A server of our own, since we stop it."""
        with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
            yield process

    def test_killing_redis_delays_events_but_loses_none(
        self, start_server, api, model, redis_process
    ):
        server = start_server(*THREADS)
        id = api.queue(documents.chain("a"))
        with httpx.stream("GET", url_of(server, id), headers=HEADERS, **OPTIONS) as answer:
            events = parse(answer.iter_lines())
            seen = [next(events)]
            redis_process.kill()
            try:
                run(id)
                seen += events
            finally:
                redis_process.start()
        assert numbers(seen) == stored_numbers(api, id)
        assert seen[-1].type == "end"
