"""Processes that are killed on a machine where others live: no lease has to expire.

Nobody reconciles here, and leases are longer than any test.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.storage.workers import live_workers
from support.api_client import Api
from support.api_client import Json
from support.graphs import documents
from support.in_process import column
from support.paths import TESTS
from support.servers.celery_nodes import WorkerProcess
from support.servers.celery_nodes import WorkerProcesses
from support.servers.forked_processes import ForkServer
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until

pytestmark = [
    pytest.mark.settings(LEASE_SECONDS=3600.0, HEARTBEAT_INTERVAL=600.0, MAX_WORKER_LOSSES=1)
]

StartServer = Callable[..., t.Any]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What held model calls wait for; open at the latest when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def start(
    app: object, environment: dict[str, str], tmp_path: Path, fork_server: ForkServer
) -> Iterator[StartServer]:
    """Start a server with a folder of its own; it is stopped after the test."""
    servers: list[ServerProcess] = []

    def start(kind: Callable[..., ServerProcess], *options: str, **more: t.Any) -> ServerProcess:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        variables = {**environment, "PYTHONPATH": str(TESTS)}
        servers.append(kind(folder, variables, *options, fork_server=fork_server, **more))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def start_worker(start: StartServer) -> StartServer:
    return lambda **options: start(WorkerProcess, app="support.host_app.worker", **options)


@pytest.fixture
def start_workers(start: StartServer) -> StartServer:
    def start_workers(concurrency: int) -> WorkerProcesses:
        options = ("--pool=threads", f"--concurrency={concurrency}")
        return t.cast(WorkerProcesses, start(WorkerProcesses, *options))

    return start_workers


def queue_crews(api: Api, count: int) -> list[str]:
    """Queue crews whose first step is answered at once."""
    return [api.queue(documents.chain(f"a{n}", f"b{n}")) for n in range(count)]


def pid_of(id: str) -> int:
    """Return the process that runs an execution."""
    return int(column(id, "worker").rpartition(":")[2])


def attempts(api: Api, ids: list[str]) -> dict[str, tuple[int, int]]:
    """Return each execution's number of attempts and of lost ones, once all are completed."""

    def statuses() -> list[Json]:
        return [api.status(id) for id in ids]

    wait_until(lambda: {each["status"] for each in statuses()} == {"completed"}, what="the end")
    return {each["id"]: (each["attempt"], each["lost_attempts"]) for each in statuses()}


def kill_all(workers: WorkerProcesses) -> None:
    family = [psutil.Process(workers.pid), *workers.children()]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=30)


class TestSupervisedWorkers:
    def test_runs_of_a_killed_worker_continue_and_the_others_are_left_alone(
        self, start_workers, api, model, gate
    ):
        model.on(r"Do b\d", "BETA", hold=gate)
        start_workers(concurrency=3)
        ids = queue_crews(api, 6)
        model.wait_for_calls(12)
        killed = pid_of(ids[0])
        lost = [id for id in ids if pid_of(id) == killed]
        assert len(lost) == 3
        os.kill(killed, signal.SIGKILL)
        model.wait_for_calls(15)
        gate.set()
        expected = {id: (2, 1) if id in lost else (1, 0) for id in ids}
        assert attempts(api, ids) == expected
        assert len(model.calls_matching(r"Do a\d")) == 6
        assert len(model.calls_matching(r"Do b\d")) == 9
        assert api.event_types(lost[0]).count("worker_lost") == 1

    def test_a_start_recovers_what_a_killed_command_was_running(
        self, start_workers, api, model, gate
    ):
        model.on(r"Do b\d", "BETA", hold=gate, times=2)
        first = start_workers(concurrency=1)
        ids = queue_crews(api, 2)
        model.wait_for_calls(4)
        kill_all(first)
        assert {column(id, "status") for id in ids} == {"running"}
        start_workers(concurrency=1)
        assert attempts(api, ids) == dict.fromkeys(ids, (2, 1))
        assert len(model.calls_matching(r"Do a\d")) == 2


class TestPoolOfProcesses:
    def test_the_run_of_a_killed_child_continues_and_the_others_are_left_alone(
        self, start_worker, api, model, gate
    ):
        model.on(r"Do b\d", "BETA", hold=gate)
        worker = start_worker(pool="prefork", concurrency=2)
        ids = queue_crews(api, 2)
        model.wait_for_calls(4)
        assert pid_of(ids[0]) in {child.pid for child in worker.children()}
        os.kill(pid_of(ids[0]), signal.SIGKILL)
        model.wait_for_calls(5)
        gate.set()
        assert attempts(api, ids) == {ids[0]: (2, 1), ids[1]: (1, 0)}
        assert len(model.calls_matching(r"Do a\d")) == 2
        assert len(model.calls_matching(r"Do b\d")) == 3


@pytest.mark.sqlite_enough
class TestNodeNames:
    def test_a_worker_of_the_same_name_keeps_its_run(self, start_worker, api, model, gate):
        model.on(r"Do b\d", "BETA", hold=gate)
        first, second = (start_worker(name="same", pool="threads") for _ in range(2))
        ids = queue_crews(api, 2)
        model.wait_for_calls(4)
        (lost,) = (id for id in ids if pid_of(id) == first.pid)
        first.kill()
        assert column(lost, "status") == "running"
        third = start_worker(name="same", pool="threads")
        model.wait_for_calls(5)
        assert pid_of(lost) == third.pid
        gate.set()
        (kept,) = set(ids) - {lost}
        assert attempts(api, ids) == {lost: (2, 1), kept: (1, 0)}
        assert second.running


def last_heartbeat(worker: WorkerProcess) -> dt.datetime | None:
    live = {row.name: row.seen_at for row in live_workers(current_app_state())}
    return live.get(worker.hostname)


@pytest.mark.sqlite_enough
class TestHeartbeat:
    @pytest.mark.settings(HEARTBEAT_INTERVAL=0.5)
    def test_another_worker_recovers_what_nobody_has_replaced(self, start_worker, api, model, gate):
        model.on(r"Do b\d", "BETA", hold=gate, times=1)
        first = start_worker(name="first", pool="threads")
        ids = queue_crews(api, 1)
        model.wait_for_calls(2)
        second = start_worker(name="second", pool="threads")
        wait_until(lambda: last_heartbeat(second), what="its first heartbeat")
        before = last_heartbeat(second)
        wait_until(lambda: last_heartbeat(second) != before, what="the next one")
        first.kill()
        assert attempts(api, ids) == {ids[0]: (2, 1)}
        assert len(model.calls_matching(r"Do a\d")) == 1
