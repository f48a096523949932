"""Workers of a user without a home, in a read-only folder: only a temporary one is writable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.graphs import documents
from support.paths import ROOT
from support.paths import TESTS
from support.servers.celery_nodes import WorkerProcess
from support.servers.celery_nodes import WorkerProcesses
from support.servers.processes import wait_until
from support.servers.unprivileged import UNKNOWN_USER
from support.servers.unprivileged import unprivileged

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.settings(RECONCILE_INTERVAL=0.5)]


@pytest.fixture
def variables(app, environment, tmp_path, sqlite_url):
    """The environment of the worker, which may write to the database's folder, too."""
    for path in (tmp_path, Path(sqlite_url.removeprefix("sqlite:///"))):
        os.chown(path, UNKNOWN_USER, UNKNOWN_USER)
    return {**environment, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, TESTS)))}


@pytest.fixture
def start(tmp_path):
    """A function that starts a worker as the user without rights."""
    temporary = tmp_path / "tmp"
    started = []

    def start(worker):
        temporary.mkdir()
        os.chown(temporary, UNKNOWN_USER, UNKNOWN_USER)
        worker.command = unprivileged(worker.command, temporary=temporary)
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.stop()


def check_that_it_works(worker, api, model):
    model.on("Do a", "ALPHA")
    assert api.ended(api.queue(documents.chain("a")))["result"]["raw"] == "ALPHA"
    sent = "Task crewexec.cleanup"
    wait_until(lambda: sent in worker.log_text(), what="a message of beat")


def test_one_worker_with_threads_and_beat(variables, start, tmp_path, api, model):
    options = ("--beat",)
    worker = WorkerProcess(
        tmp_path,
        variables,
        app="support.host_app.worker",
        pool="threads",
        options=options,
        cwd=Path("/"),
    )
    check_that_it_works(start(worker), api, model)
    assert "kept in memory" in worker.log_text()


def test_several_workers_with_prefork_and_beat(variables, start, tmp_path, api, model):
    workers = WorkerProcesses(tmp_path, variables, "--pool=prefork", "--concurrency=1", "--beat")
    check_that_it_works(start(workers), api, model)
