"""What the page about backups says: a database is restored, or Redis is empty."""

from __future__ import annotations

import datetime as dt
import subprocess
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_crewexec import AsyncExecutionService
from flask_crewexec import clock
from flask_crewexec.errors import NotFound
from flask_crewexec.tasks import cleanup
from support.graphs import documents
from support.host_app import host
from support.in_process import change
from support.in_process import close_connections
from support.in_process import column
from support.in_process import insert_worker
from support.in_process import run
from support.in_process import running
from support.servers.postgres import PostgresProcess

pytestmark = pytest.mark.postgresql


@pytest.fixture
def database_url(postgres: PostgresProcess) -> str:
    """A database of its own, which can be dumped."""
    return postgres.fresh_database_url()


def tool(postgres: PostgresProcess, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs, as the page shows."""
    path = Path(postgres.command[0]).with_name(program)
    command = [str(path), f"--host={postgres.data}", "--username=postgres", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def back_up(
    app: Flask, postgres: PostgresProcess, tmp_path: Path
) -> Iterator[t.Callable[[], t.Callable[[], Flask]]]:
    """A function that dumps the database, and returns one that restores it for an application."""
    apps: list[Flask] = []
    name = app.extensions["sqlalchemy"].engine.url.database
    dump = str(tmp_path / "crews.dump")
    tool(postgres, "createdb", f"{name}_new")

    def restore() -> Flask:
        tool(postgres, "pg_restore", f"--dbname={name}_new", "--exit-on-error", dump)
        url = app.config["SQLALCHEMY_DATABASE_URI"].replace(name, f"{name}_new")
        apps.append(host.create_app({"SQLALCHEMY_DATABASE_URI": url}))
        return apps[0]

    def dump_it() -> t.Callable[[], Flask]:
        tool(postgres, "pg_dump", "--format=custom", f"--file={dump}", name)
        return restore

    yield dump_it
    for each in apps:
        with each.app_context():
            close_connections(each.extensions["sqlalchemy"].engine)


def test_what_was_active_goes_on_from_the_backup(app, api, model, back_up, redis_process):
    answer = threading.Event()
    model.on("Do b", hold=answer)
    insert_worker(app)
    ended, waiting = (api.queue(documents.chain("a")) for _ in range(2))
    active = api.queue(documents.chain("a", "b"))
    assert run(ended) == "completed"
    with running(app, active) as outcome:
        model.wait_for_calls(3)
        restore = back_up()
        answer.set()
    assert outcome == ["completed"]
    unknown = api.queue(documents.chain("a"))
    with redis_process.client() as client:
        client.flushdb()

    with restore().app_context():
        service = AsyncExecutionService()
        assert service.get_task_status(ended)["status"] == "completed"
        assert service.get_task_status(active)["status"] == "running"
        with pytest.raises(NotFound):
            service.get_task_status(unknown)
        assert run(unknown, attempt=1) == "not-claimed"
        assert run(waiting) == "completed"
        past = clock.now() - dt.timedelta(seconds=1)
        change(active, lease_expires_at=past)
        assert cleanup.handle({"action": "reconcile"})["taken_over"] == 1
        assert run(active) == "completed"
        assert column(active, "lost_attempts") == 1
    asked = [str(call.body) for call in model.calls]
    assert sum("Do b" in text for text in asked) == 2  # the answer came after the backup
