"""gunicorn: processes that are forked after the application was loaded, and how they stop."""

from __future__ import annotations

import signal
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.graphs import documents
from support.servers.gunicorn import Gunicorn
from support.servers.postgres import postgres_server
from support.servers.processes import wait_until
from support.sse_client import parse
from support.sse_client import ServerEvent

KINDS = {
    "threads": ("--worker-class=gthread", "--threads=16"),
    "greenlets": ("--worker-class=gevent", "--worker-connections=50"),
}
HEADERS = {"X-User": "ada"}
STREAM = {**HEADERS, "Accept": "text/event-stream"}
OPTIONS: dict[str, t.Any] = {"timeout": 60, "trust_env": False}

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def postgres():
    """A server of our own, to be frozen."""
    with postgres_server() as process:
        yield process


def get(server: Gunicorn, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}/crewexec{path}", headers={**HEADERS, **headers}, **OPTIONS)


@pytest.mark.postgresql
class TestPreload:
    @pytest.fixture
    def server(self, kind, start_server):
        return start_server(*KINDS[kind], "--preload")

    def test_it_is_ready_with_a_worker(self, server, start_worker):
        start_worker(pool="threads")
        wait_until(lambda: get(server, "/health/ready").status_code == 200, what="readiness")

    def test_a_frozen_database_stops_no_other_request(self, server, postgres):
        assert get(server, "/health/ready").json()["checks"]["database"] == "ok"
        with postgres.frozen(), ThreadPoolExecutor() as pool:
            asked = pool.submit(get, server, "/health/ready")
            assert get(server, "/health/live").status_code == 200
            checks = asked.result(30).json()["checks"]
        assert (checks["database"], checks["broker"]) == ("no answer", "ok")


class Reader(threading.Thread):
    """Reads a stream to its end."""

    def __init__(self, server: Gunicorn, path: str) -> None:
        super().__init__()
        self.events: list[ServerEvent] = []
        self.opened = threading.Event()
        self._url = f"{server.url}/crewexec{path}"

    def run(self) -> None:
        # A stream that is cut off, instead of ending properly, raises an error.
        with httpx.stream("GET", self._url, headers=STREAM, **OPTIONS) as answer:
            for event in parse(answer.iter_lines()):
                self.events.append(event)
                self.opened.set()
        self.events.append(ServerEvent("closed", "", None))

    def check_that_it_ended_early(self) -> None:
        """Check that the stream has ended as one that the client is to continue."""
        self.join(20)
        types = [event.type for event in self.events]
        assert types[-1] == "closed"
        assert "end" not in types


def accepted(server: Gunicorn) -> int:
    """Count the connections that the worker of a server has accepted."""
    port = int(server.url.rpartition(":")[2])
    opened = [each for worker in server.children() for each in worker.net_connections("tcp")]
    return sum(each.status == "ESTABLISHED" and each.laddr.port == port for each in opened)


@pytest.mark.sqlite_enough
class TestStop:
    @pytest.fixture
    def waiting(self, api):
        """An execution that no worker runs."""
        return api.queue(documents.chain("a"))

    @pytest.fixture
    def open_stream(self, waiting):
        """A function that opens a stream of the execution, by default its own."""

        def open_stream(server, path=f"/executions/{waiting}/events"):
            reader = Reader(server, path)
            reader.start()
            assert reader.opened.wait(30)
            return reader

        return open_stream

    @pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
    def test_what_waits_ends_when_it_is_terminated(
        self, kind, preload, start_server, waiting, open_stream
    ):
        server = start_server(*KINDS[kind], *preload, "--graceful-timeout=300")
        with ThreadPoolExecutor() as pool:
            status = pool.submit(get, server, f"/executions/{waiting}", Prefer="wait=30")
            events = pool.submit(get, server, f"/executions/{waiting}/events?after=1&wait=30")
            several = open_stream(server, f"/events?executions={waiting}")
            reader = open_stream(server)
            wait_until(lambda: accepted(server) == 4, what="the requests to arrive")
            server.kill(signal.SIGTERM)
            reader.check_that_it_ended_early()
            several.check_that_it_ended_early()
            wait_until(lambda: not server.running, seconds=20, what="the end of the server")
            assert status.result().json()["status"] == "queued"
            assert events.result().json()["events"] == []

    def test_streams_end_at_the_maximum_of_requests(self, kind, start_server, waiting, open_stream):
        # What asks whether it is ready counts, too.
        server = start_server(*KINDS[kind], "--max-requests=30", "--graceful-timeout=300")
        reader = open_stream(server)

        def has_ended():
            get(server, "/health/live")
            return not reader.is_alive()

        wait_until(has_ended, what="the end of the stream")
        reader.check_that_it_ended_early()
        assert get(server, "/health/live").status_code == 200
