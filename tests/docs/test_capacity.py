"""How many connections and how much memory of Redis an installation needs, as the page says."""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from support.api_client import Api
from support.graphs import documents
from support.in_process import run
from support.paths import TESTS
from support.servers.gunicorn import Gunicorn
from support.servers.postgres import PostgresProcess
from support.servers.processes import wait_until

POOL = 3
OPTIONS = {"pool_size": 2, "max_overflow": POOL - 2}
ENGINE = {"HOST_SQLALCHEMY_ENGINE_OPTIONS": json.dumps(OPTIONS)}
PROCESSES = {"web": 2, "prefork": 2 + 1, "threads": 1}
"""How the page counts them; the parent of a pool of processes is one, too."""
RUNS = 24
BYTES_OF_A_MESSAGE = 1_200


@pytest.fixture
def web(environment, tmp_path) -> Iterator[Gunicorn]:
    options = (f"--workers={PROCESSES['web']}", "--worker-class=gthread", "--threads=16")
    variables = {**environment, **ENGINE, "PGAPPNAME": "web", "PYTHONPATH": str(TESTS)}
    with Gunicorn(tmp_path, variables, *options, app="support.host_app.web:app") as server:
        yield server


def connections(postgres: PostgresProcess) -> Counter[str]:
    """Count the connections of each kind of process."""
    query = "SELECT application_name, count(*) FROM pg_stat_activity GROUP BY 1"
    with psycopg.connect(host=str(postgres.data), user="postgres", dbname="postgres") as connection:
        return Counter(dict(connection.execute(query).fetchall()))


def ask(web: Gunicorn, method: str, path: str, **options: t.Any) -> t.Any:
    options |= {"headers": {"X-User": "ada"}, "timeout": 60, "trust_env": False}
    return httpx.request(method, f"{web.url}/crewexec{path}", **options).raise_for_status().json()


@pytest.mark.postgresql
@pytest.mark.settings(
    BROKER_TIMEOUT=10.0, DATABASE_RETRY_SECONDS=120.0, RECONCILE_INTERVAL=1, REPUBLISH_AFTER=2.0
)
def test_no_process_has_more_connections_than_its_pool(
    web, start_worker, postgres, api, model
) -> None:
    for pool, concurrency, options in (("prefork", 2, ()), ("threads", 8, ("--beat",))):
        variables = {**ENGINE, "PGAPPNAME": pool}
        start_worker(
            variables, pool=pool, concurrency=concurrency, options=options, fork_server=None
        )
    body = {"graph_id": api.graph(documents.chain("a"))}
    most: Counter[str] = Counter()

    def have_ended() -> bool:
        nonlocal most
        most |= connections(postgres)
        active = ask(web, "GET", "/executions?status=queued&status=running")["executions"]
        return all(submission.done() for submission in submissions) and not active

    with ThreadPoolExecutor(16) as threads:
        submissions = [
            threads.submit(ask, web, "POST", "/executions", json=body) for _ in range(RUNS)
        ]
        wait_until(have_ended, seconds=120, what="the end of all runs")
    assert {submission.result()["status"] for submission in submissions} == {"queued"}
    for kind, processes in PROCESSES.items():
        assert 0 < most[kind] <= processes * POOL, most


@pytest.mark.sqlite_enough
class TestRedis:
    @pytest.fixture
    def kept(self, redis_process):
        """A function that returns how many bytes each key takes."""

        def kept() -> dict[str, int]:
            with redis_process.client() as client:
                keys = [
                    key for key in client.scan_iter() if not key.startswith(("_kombu", "crewexec:"))
                ]
                return {key: client.memory_usage(key, samples=0) for key in keys}

        return kept

    def test_a_message_takes_little(self, app, client, kept):
        users = 20
        for number in range(users):
            Api(client, f"user{number}").queue(documents.chain("a"))
        (size,) = kept().values()
        assert size / users < BYTES_OF_A_MESSAGE

    def test_what_is_on_hold_takes_nothing(self, api, kept):
        graph_id = api.graph(documents.chain("a"))
        api("POST", "/executions", json={"graph_id": graph_id})
        before = kept()
        for _ in range(20):
            api("POST", "/executions", json={"graph_id": graph_id})
        assert kept() == before

    def test_a_run_and_its_events_leave_nothing(self, api, kept, model, redis_process):
        id = api.queue(documents.chain("a", "b"))
        with redis_process.client() as client:
            client.delete(*kept())  # as a worker that takes the message
        run(id)
        assert api.status(id)["status"] == "completed"
        assert kept() == {}
