"""Ours and the plain service, each with its servers, behind the same interface."""

from __future__ import annotations

import abc
import contextlib
import json
import os
import subprocess
import sys
import time
import typing as t
import urllib.request
import uuid
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import httpx
import sqlalchemy as sa

from support.host_app import host
from support.paths import ROOT
from support.servers.celery_nodes import WorkerProcess
from support.servers.celery_nodes import WorkerProcesses
from support.servers.gunicorn import Gunicorn
from support.servers.postgres import postgres_server
from support.servers.processes import free_port
from support.servers.processes import ServerProcess
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

from . import TESTS
from .workload import definition
from .workload import document
from .workload import Json
from .workload import mark

QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "OTEL_SDK_DISABLED": "true",
    "PYTHON_DOTENV_DISABLED": "1",
}
"""Environment in which CrewAI needs no network and asks no questions."""
POOL = {"pool_size": 5, "max_overflow": 0}
"""Database connections of each process: few of them give the highest throughput."""
USER = "ada"
NO_MODEL = "http://127.0.0.1:9/v1"
"""URL for services that run nothing."""
Pool = tuple[str, int]
"""Pool and concurrency of a worker."""
POLL_SECONDS = 0.1
"""Interval of the queries for finished executions: long, since they take CPU time."""


class ModelProcess(ServerProcess):
    """The stub model, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "benchmarks.model", str(self.port)]
        super().__init__(command, log=folder / "model.log", cwd=ROOT)

    @property
    def url(self) -> str:
        """Base URL of the model for clients of OpenAI."""
        return f"http://127.0.0.1:{self.port}/v1"

    def is_ready(self) -> bool:
        try:
            self.calls()
        except OSError:
            return False
        return True

    def reset(self, latency: float = 0.0) -> None:
        """Reset the counters, and answer after *latency* seconds from now on."""
        self._control(json.dumps({"latency": latency}).encode())

    def calls(self) -> Json:
        """Return the number of calls, of concurrent calls, and the times of those of each crew."""
        return self._control()

    def _control(self, body: bytes | None = None) -> Json:
        url = f"http://127.0.0.1:{self.port}/control"
        with urllib.request.urlopen(url, body, timeout=10) as answer:
            return t.cast(Json, json.load(answer))


class Contender(abc.ABC):
    """A service that runs crews, with a web server, workers, a broker and a database."""

    name: t.ClassVar[str]
    prefix = ""
    web_app: t.ClassVar[str]
    worker_app: t.ClassVar[str]
    executions: t.ClassVar[str]
    """Name of the table."""

    def __init__(self, folder: Path, database_url: str, broker_url: str, model_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.broker_url = broker_url
        self.environment = {
            **QUIET,
            "CREWAI_STORAGE_DIR": str(folder / "crewai"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)]),
            "DATABASE_URL": database_url,
            "CELERY_BROKER_URL": broker_url,
            "CELERY_RESULT_BACKEND": broker_url,
            "MODEL_URL": model_url,
            "HOST_SQLALCHEMY_ENGINE_OPTIONS": json.dumps(POOL),
            # With a key, Flask would look for a session in each request; the references have none.
            "HOST_SECRET_KEY": "null",
        }
        self.engine = sa.create_engine(database_url, isolation_level="AUTOCOMMIT")

    @abc.abstractmethod
    def create_tables(self) -> None:
        """Create all tables in the empty database of the service."""

    @abc.abstractmethod
    def graph_of(self, tasks: int) -> Json:
        """Return the request body that stores a crew with one agent for each task."""

    def store_graph(self, http: httpx.Client, user: str) -> str:
        """Store a crew with one task for a user and return the graph's id."""
        graph = http.post("/graphs", json=self.graph_of(1), headers={"X-User": user})
        return t.cast(str, graph.raise_for_status().json()["id"])

    def web(self, *options: str, app: str | None = None) -> Gunicorn:
        """Return a web server that is not started yet, with further options of gunicorn.

        :param app: WSGI application; by default that of the service.
        """
        return _AnyGunicorn(self.folder, self.environment, *options, app=app or self.web_app)

    def worker(self, name: str = "worker", **options: t.Any) -> WorkerProcess:
        """Return a worker that is not started yet."""
        return WorkerProcess(
            self.folder, self.environment, name=name, app=self.worker_app, **options
        )

    def workers(self, pools: Sequence[Pool]) -> Sequence[ServerProcess]:
        """Return workers that are not started yet, one for each pool."""
        return [
            self.worker(f"worker{number}", pool=pool, concurrency=concurrency)
            for number, (pool, concurrency) in enumerate(pools)
        ]

    def client(self, web: Gunicorn) -> Client:
        return Client(f"{web.url}{self.prefix}", self.graph_of)

    def finished(self) -> Finished:
        """Return the number of completed executions, and when the last one ended.

        :raises RuntimeError: if an execution has ended without completing.
        """
        count = sa.text(
            f"SELECT status, count(*), extract(epoch FROM max(finished_at)) FROM {self.executions}"
            " WHERE finished_at IS NOT NULL GROUP BY status"
        )
        with self.engine.connect() as connection:
            rows = {status: (number, last) for status, number, last in connection.execute(count)}
        number, last = rows.pop("completed", (0, 0.0))
        if rows:
            raise RuntimeError(f"{self.name}: executions ended as {', '.join(rows)}")
        return Finished(number, float(last))

    def wait_for(self, number: int, *, seconds: float = 300.0) -> float:
        """Wait until *number* executions are completed; return when the last one ended.

        :raises TimeoutError: after *seconds*.
        """
        deadline = time.monotonic() + seconds
        while (finished := self.finished()).number < number:
            if time.monotonic() > deadline:
                others = ", ".join(self._unfinished()) or "nothing else"
                raise TimeoutError(
                    f"{self.name} has completed {finished.number} of {number}; there is {others}"
                )
            time.sleep(POLL_SECONDS)
        return finished.last

    def _unfinished(self) -> list[str]:
        count = sa.text(
            f"SELECT status, count(*) FROM {self.executions} WHERE finished_at IS NULL"
            " GROUP BY status"
        )
        with self.engine.connect() as connection:
            return [f"{number} {status}" for status, number in connection.execute(count)]


class Finished(t.NamedTuple):
    number: int
    last: float
    """Seconds since the epoch."""


class Client:
    """Sends requests of one user over HTTP."""

    def __init__(self, url: str, graph_of: t.Callable[[int], Json]) -> None:
        self._http = httpx.Client(base_url=url, headers={"X-User": USER}, timeout=30)
        self._graph_of = graph_of

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def graph(self, tasks: int) -> str:
        """Store a crew with *tasks* tasks and return the graph's id."""
        return self.store(self._graph_of(tasks))

    def store(self, graph: Json) -> str:
        """Store a graph and return its id."""
        return self._post("/graphs", graph)

    def queue(self, graph: str) -> str:
        """Queue a crew and return the mark by which the model recognises it."""
        topic = mark()
        self._post("/executions", {"graph_id": graph, "inputs": {"topic": topic}})
        return topic

    def approve(self, request: str) -> None:
        """Approve what an execution asks."""
        self._post(f"/input-requests/{request}/answer", {"decision": "approve"})

    def _post(self, path: str, content: Json) -> str:
        answer = self._http.post(path, json=content)
        if answer.is_error:
            raise RuntimeError(f"{answer.url} answered {answer.status_code}: {answer.text}")
        return t.cast(str, answer.json()["id"])


class Ours(Contender):
    """The host of the tests, with the extension."""

    name = "ours"
    prefix = "/crewexec"
    web_app = "support.host_app.web:app"
    worker_app = "support.host_app.worker"
    executions = "crewexec_execution"

    def create_tables(self) -> None:
        with ours_in_process(self.environment) as app:
            app.extensions["sqlalchemy"].create_all()

    def graph_of(self, tasks: int) -> Json:
        return document(tasks)

    def running(self) -> int:
        """Return the number of running executions."""
        count = sa.text(f"SELECT count(*) FROM {self.executions} WHERE status = 'running'")
        with self.engine.connect() as connection:
            return int(connection.execute(count).scalar_one())

    def workers(self, pools: Sequence[Pool]) -> Sequence[ServerProcess]:
        """Return one command that starts all workers, as an operator would use it."""
        ((pool, concurrency),) = set(pools)
        options = (f"--pool={pool}", f"--concurrency={concurrency}", "--pin")
        return [WorkerProcesses(self.folder, self.environment, *options, count=len(pools))]


class Plain(Contender):
    """The service in ``reference``."""

    name = "plain service"
    web_app = "benchmarks.reference.web:app"
    worker_app = "benchmarks.reference.worker"
    executions = "execution"

    def create_tables(self) -> None:
        # Not in this process, where Celery's default app is that of the host.
        self._call_flask("create-tables")

    def _call_flask(self, name: str) -> None:
        command = [sys.executable, "-m", "flask", "--app", self.web_app, name]
        environment = {**os.environ, **self.environment}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)

    def graph_of(self, tasks: int) -> Json:
        return definition(tasks)


class WithDbos(Plain):
    """Only the queueing, with DBOS; needs the package ``dbos``."""

    name = "DBOS"
    web_app = "benchmarks.reference.dbos_service:app"

    def store_graph(self, http: httpx.Client, user: str) -> str:
        """Return an id, since arguments of a workflow need not exist."""
        return str(uuid.uuid4())


class _AnyGunicorn(Gunicorn):
    """A web server that is ready as soon as it responds."""

    def is_ready(self) -> bool:
        try:
            httpx.get(self.url, timeout=1)
        except httpx.HTTPError:
            return False
        return True


@contextlib.contextmanager
def ours_in_process(environment: Mapping[str, str]) -> Iterator[t.Any]:
    """Create the host in this process, and enter its application context."""
    places = {name: environment[name] for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")}
    app = host.create_app(
        {
            **places,
            "SQLALCHEMY_DATABASE_URI": environment["DATABASE_URL"],
            "MODEL_URL": environment["MODEL_URL"],
        }
    )
    with app.app_context():
        yield app
        app.extensions["sqlalchemy"].engine.dispose()


class Ring(t.NamedTuple):
    """Both services with their servers, and the model that both use."""

    ours: Ours
    plain: Plain
    model: ModelProcess


@contextlib.contextmanager
def ring(folder: Path) -> Iterator[Ring]:
    """Start brokers, databases (with fsync) and the model, but no workers and web servers."""
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(postgres_server(fsync=True))
        model = stack.enter_context(ModelProcess(folder))

        def enter(kind: type[Contender]) -> Contender:
            place = folder / kind.__name__.lower()
            redis = stack.enter_context(RedisProcess(place, chosen_redis()))
            contender = kind(place, postgres.fresh_database_url(), redis.url, model.url)
            stack.callback(contender.engine.dispose)
            contender.create_tables()
            return contender

        yield Ring(t.cast(Ours, enter(Ours)), t.cast(Plain, enter(Plain)), model)
