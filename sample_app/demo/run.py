"""The stages of the demo, each with a time limit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import typing as t
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
from .models import choose_model
from .models import Model
from .stopping import ignore_signals
from .stopping import signals_stop
from .stopping import Stopped
from .terminal import Terminal

Json = dict[str, t.Any]

WEB_SECONDS = 60.0
WORKER_SECONDS = 180.0
"""Long, since the first import of CrewAI compiles thousands of files."""
CREW_SECONDS = 600.0
_POLL_SECONDS = 0.3

_WORKER = (
    "celery -A sample_app.celery_app worker --loglevel=info"
    " --queues=crew_execution,cleanup --pool=threads --concurrency=1"
)
_WEB = "flask --app sample_app run --host 127.0.0.1 --port"


class Options(t.NamedTuple):
    """Options of the command."""

    topic: str
    serve: bool
    scripted: bool
    port: int
    """0 for any free port."""
    home: Path


def run(options: Options) -> int:
    """Run the demo and return the exit code: 0 only if the crew completed."""
    terminal = Terminal()
    with signals_stop(), contextlib.ExitStack() as stack:
        demo = _Demo(options, terminal, stack)
        try:
            demo.run()
        except DemoFailed as error:
            terminal.error(str(error))
        except Stopped as stopped:
            terminal.say("Stopping", f"everything, because of {stopped}")
            return 0 if demo.completed else stopped.exit_code
        finally:
            ignore_signals()
    return 0 if demo.completed else 1


class _Demo:
    """One run of the demo; the stack stops its processes in reverse order."""

    def __init__(self, options: Options, terminal: Terminal, stack: contextlib.ExitStack) -> None:
        self.completed = False
        self._options = options
        self._terminal = terminal
        self._stack = stack
        self._home = options.home.resolve()
        self._children: list[Child] = []

    def run(self) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        broker_url = self._start_broker()
        model = self._choose_model()
        database_url = with_driver(os.environ.get("DATABASE_URL") or self._sqlite_url())
        seeded = self._seed(database_url)
        environment = _environment(broker_url, database_url, model)
        client = self._start_processes(environment, seeded.token)
        execution_id = self._queue(client, seeded.graphs["fact_page"])
        self._report(self._follow(client, execution_id), model)
        if self._options.serve:
            self._serve(client.url, seeded, execution_id)

    def _start_broker(self) -> str:
        try:
            valkey = self._stack.enter_context(EmbeddedValkey(self._home / "valkey"))
        except RuntimeError as error:
            raise DemoFailed(str(error)) from error
        self._terminal.say("Broker", "Valkey on the loopback interface, with password and AOF")
        return valkey.url

    def _choose_model(self) -> Model:
        scripted = self._options.scripted
        return choose_model(self._terminal, self._home, self._stack, scripted=scripted)

    def _sqlite_url(self) -> str:
        """Return a file for the current columns, which the file of another version may lack."""
        columns = sorted(str(c) for table in db.metadata.tables.values() for c in table.columns)
        digest = hashlib.sha256(" ".join(columns).encode()).hexdigest()[:8]
        return f"sqlite:///{self._home / f'demo-{digest}.sqlite'}"

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
        port = self._options.port or free_port()
        worker = self._start("worker", _WORKER, environment)
        web = self._start("web server", f"{_WEB} {port}", environment)
        client = self._stack.enter_context(Client(f"http://127.0.0.1:{port}", token))
        web.wait_until(client.is_up, WEB_SECONDS)
        self._terminal.say("Web", client.url)
        self._terminal.say("Worker", "starting; CrewAI takes a while to load the first time")
        worker.wait_until(client.is_ready, WORKER_SECONDS)
        self._terminal.say("Worker", f"ready after {time.monotonic() - start:.0f} s")
        return client

    def _start(self, name: str, command: str, environment: dict[str, str]) -> Child:
        log = self._home / f"{name.replace(' ', '-')}.log"
        child = self._stack.enter_context(Child(name, command.split(), environment, log))
        self._children.append(child)
        return child

    def _queue(self, client: Client, graph_id: str) -> str:
        execution_id = client.queue(graph_id, {"topic": self._options.topic})
        topic = f"the graph 'Fact page' about '{self._options.topic}'"
        self._terminal.say("Queued", f"{topic}, over HTTP, as {execution_id}")
        return execution_id

    def _follow(self, client: Client, execution_id: str) -> Json:
        """Print the events until the execution has ended or waits for a retry, and return it."""
        deadline = time.monotonic() + CREW_SECONDS
        seen = 0
        try:
            while True:
                # Read first: if it has ended, the events that follow are complete.
                execution = client.execution(execution_id)
                while events := client.events(execution_id, seen):
                    for event in events:
                        self._terminal.event(event)
                    seen = events[-1]["seq"]
                if execution["finished_at"] or execution["status"] == "retrying":
                    return execution
                self._check(deadline)
                time.sleep(_POLL_SECONDS)
        except BaseException:
            client.cancel(execution_id)
            raise

    def _check(self, deadline: float) -> None:
        for child in self._children:
            child.check()
        if time.monotonic() > deadline:
            raise DemoFailed(f"The crew did not end within {CREW_SECONDS:g} seconds.")

    def _report(self, execution: Json, model: Model) -> None:
        if execution["status"] != "completed":
            why = (execution["error"] or {}).get("message", "")
            log = self._home / "worker.log"
            raise DemoFailed(f"The execution is '{execution['status']}'. {why} See {log}.")
        self.completed = True
        self._terminal.result(execution, model.label)

    def _serve(self, url: str, seeded: Seeded, execution_id: str) -> None:
        self._terminal.commands(url, seeded, execution_id)
        self._terminal.say("Ready", "until Ctrl-C stops everything")
        while True:
            self._check(float("inf"))
            time.sleep(_POLL_SECONDS)


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
