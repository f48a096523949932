"""The sample app as people use it: its web server, a worker, and a scripted model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.testing import ScriptedModel
from sample_app import create_app
from sample_app.extensions import db
from sample_app.seeding import seed
from support import long_run
from support.api_client import until_ended
from support.graphs.documents import Document
from support.paths import ROOT
from support.servers.celery_nodes import WorkerProcess
from support.servers.processes import free_port
from support.servers.processes import ServerProcess


class WebProcess(ServerProcess):
    """The sample app behind Werkzeug's threaded server."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "flask", "--app", "sample_app", "run", "--port", str(port)]
        super().__init__(command, log=folder / "web.log", cwd=ROOT, environment=environment)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/crewexec/health/live", trust_env=False).is_success
        except httpx.TransportError:
            return False


class Site(t.NamedTuple):
    """The sample app as it runs, and a user of it."""

    url: str
    token: str
    database: str
    """Address of its database."""
    model: ScriptedModel
    log: Path
    """Where the web server notes each request."""
    environment: dict[str, str]
    """Of the web server."""

    def ask(self, method: str, path: str, **options: t.Any) -> httpx.Response:
        """Send a request of the user to the API."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        url = f"{self.url}/crewexec{path}"
        answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=40, **options)
        assert answer.is_success, answer.text
        return answer

    def store(self, document: Document) -> str:
        """Give the user a graph; return its id."""
        return t.cast(str, self.ask("POST", "/graphs", json=document).json()["id"])

    def run(self, document: Document) -> str:
        """Run a graph, and return the id of the execution that has completed."""
        status = self.started(document)
        assert status["status"] == "completed", status
        return t.cast(str, status["id"])

    def started(self, document: Document) -> Document:
        """Run a graph until it has ended or asks people."""
        body = {"graph_id": self.store(document), "inputs": {}}
        return self.ended(self.ask("POST", "/executions", json=body).json()["id"])

    def ended(self, id: str) -> Document:
        """Wait until an execution has ended or asks people; the worker's first may take long."""
        path, wait = f"/executions/{id}", {"Prefer": "wait=30"}
        return until_ended(lambda: self.ask("GET", path, headers=wait).json())

    def insert_long_run(self) -> str:
        """Give the user an execution with many attempts, steps and calls; return its id."""
        graph = self.store(long_run.document())
        app = create_app({"SQLALCHEMY_DATABASE_URI": self.database})
        with app.app_context():
            (owner,) = db.session.scalars(
                sa.select(current_app_state().models.graph.owner_id).distinct()
            )
            id = long_run.insert(current_app_state(), graph, owner, clock.now())
            db.session.remove()
            db.engine.dispose()
        return id

    def command(self, *arguments: str) -> str:
        """Run a command of the extension, and return what it prints."""
        command = [sys.executable, "-m", "flask", "--app", "sample_app", "crewexec", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def open_streams(self) -> float:
        """Return how many streams of events the web server has open."""
        found = self.ask("GET", "/metrics").text
        (line,) = (line for line in found.splitlines() if line.startswith("crewexec_open_streams "))
        return float(line.split()[1])

    def requests(self, about: str) -> list[str]:
        """Return the answered GET requests whose paths contain a text, without that before it."""
        paths = re.findall(r"GET (\S+) HTTP", self.log.read_text())
        return [path[path.index(about) :] for path in paths if about in path]


@contextmanager
def sample_site(folder: Path, redis_url: str) -> Iterator[Site]:
    """Run the sample app with a new user, who may manage others."""
    database = f"sqlite:///{folder / 'sample.sqlite'}"
    token = _seed_user(database)
    with ScriptedModel() as model:
        environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "CELERY_BROKER_URL": redis_url,
            "CELERY_RESULT_BACKEND": redis_url,
            "DATABASE_URL": database,
            "FLASK_SKIP_DOTENV": "1",
            "MODEL_NAME": "scripted",
            "OPENAI_API_KEY": model.key,
            "OPENAI_BASE_URL": model.base_url,
            "SECRET_KEY": "of the web server, and of commands",
        }
        worker = WorkerProcess(folder, environment, pool="threads", concurrency=2)
        with WebProcess(folder, environment) as web, worker:
            yield Site(web.url, token, database, model, web.log, environment)


def _seed_user(database: str) -> str:
    app = create_app({"SQLALCHEMY_DATABASE_URI": database})
    with app.app_context():
        token = seed("ada", admin=True).token
        db.session.remove()
        db.engine.dispose()
    return token
