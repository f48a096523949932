"""Everything that the sample needs, on this machine only: broker, model, database, worker, web."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from flask_crewexec.embedded import EmbeddedValkey

from .. import create_app
from ..config import with_driver
from ..extensions import db
from ..seeding import seed
from ..seeding import Seeded
from .children import Child
from .children import free_port
from .client import Client
from .errors import DemoFailed
from .models import Model
from .terminal import Terminal

WEB_SECONDS = 60.0
WORKER_SECONDS = 180.0
"""Long, since the first import of CrewAI compiles thousands of files."""

_WORKER = (
    "celery -A sample_app.celery_app worker --loglevel=info"
    " --queues=crew_execution,cleanup --pool=threads"
)
_WEB = "flask --app sample_app run --host 127.0.0.1 --port"


class Running(t.NamedTuple):
    """What :meth:`System.start` has started."""

    client: Client
    seeded: Seeded
    model: Model


class System:
    """The processes of the sample; the stack stops them in reverse order.

    :param home: folder for data and logs.
    :param port: port of the web server; 0 for any free one.
    :param concurrency: how many crews the worker runs at the same time.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        terminal: Terminal,
        stack: contextlib.ExitStack,
        *,
        concurrency: int,
    ) -> None:
        self.home = home.resolve()
        self._port = port
        self._terminal = terminal
        self._stack = stack
        self._concurrency = concurrency
        self._children: list[Child] = []

    def start(self, choose_model: Callable[[], Model]) -> Running:
        """Start everything, and return when a worker is ready.

        :raises DemoFailed: if a part does not start; the message says which, and why.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        broker_url = self._start_broker()
        model = choose_model()
        self._terminal.say("Model", model.label)
        database_url = with_driver(os.environ.get("DATABASE_URL") or self._sqlite_url())
        seeded = self._seed(database_url)
        environment = _environment(broker_url, database_url, model)
        return Running(self._start_processes(environment, seeded.token), seeded, model)

    def check(self) -> None:
        """Check that all processes are running.

        :raises ChildFailed: if one has ended.
        """
        for child in self._children:
            child.check()

    def _start_broker(self) -> str:
        try:
            valkey = self._stack.enter_context(EmbeddedValkey(self.home / "valkey"))
        except RuntimeError as error:
            raise DemoFailed(str(error)) from error
        self._terminal.say("Broker", "Valkey on the loopback interface, with password and AOF")
        return valkey.url

    def _sqlite_url(self) -> str:
        """Return a file for the current columns, which the file of another version may lack."""
        columns = sorted(str(c) for table in db.metadata.tables.values() for c in table.columns)
        digest = hashlib.sha256(" ".join(columns).encode()).hexdigest()[:8]
        return f"sqlite:///{self.home / f'demo-{digest}.sqlite'}"

    def _seed(self, database_url: str) -> Seeded:
        app = create_app({"SQLALCHEMY_DATABASE_URI": database_url})
        try:
            with app.app_context():
                seeded = seed("demo", admin=True)
                self._terminal.say("Database", repr(db.engine.url))
        except SQLAlchemyError as error:
            raise DemoFailed(f"The database cannot be used: {error}") from error
        return seeded

    def _start_processes(self, environment: dict[str, str], token: str) -> Client:
        start = time.monotonic()
        port = self._port or free_port()
        beat = f"--beat --schedule={self.home / 'beat'}"  # retries what has failed
        options = [*_WORKER.split(), f"--concurrency={self._concurrency}", *beat.split(" ", 1)]
        worker = self._start("worker", options, environment)
        web = self._start("web server", [*_WEB.split(), str(port)], environment)
        client = self._stack.enter_context(Client(f"http://127.0.0.1:{port}", token))
        web.wait_until(client.is_up, WEB_SECONDS)
        self._terminal.say("Web", client.url)
        self._terminal.say("Worker", "starting; CrewAI takes a while to load the first time")
        worker.wait_until(client.is_ready, WORKER_SECONDS)
        self._terminal.say("Worker", f"ready after {time.monotonic() - start:.0f} s")
        return client

    def _start(self, name: str, module: list[str], environment: dict[str, str]) -> Child:
        log = self.home / f"{name.replace(' ', '-')}.log"
        child = self._stack.enter_context(Child(name, module, environment, log))
        self._children.append(child)
        return child


def _environment(broker_url: str, database_url: str, model: Model) -> dict[str, str]:
    """Return the environment of worker and web server, which also carries the secrets."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("FLASK_")}
    # Processes of one machine must not use a proxy.
    direct = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    return {
        **inherited,
        **model.environment,
        "CELERY_BROKER_URL": broker_url,
        "CELERY_RESULT_BACKEND": broker_url,
        "DATABASE_URL": database_url,
        "FLASK_SKIP_DOTENV": "1",  # the environment is complete
        "NO_PROXY": direct,
        "no_proxy": direct,
    }
