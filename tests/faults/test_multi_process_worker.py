"""``flask crewexec worker --processes N``: starting, restarting and stopping the workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import column
from support.paths import ROOT
from support.paths import TESTS
from support.servers.broker_faults import make_read_only
from support.servers.broker_faults import promote
from support.servers.celery_nodes import WorkerProcesses
from support.servers.forked_processes import ForkServer
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough

both_pools = pytest.mark.parametrize("pool", ["prefork", "threads"])

NewWorkers = Callable[..., WorkerProcesses]


@pytest.fixture
def new_workers(
    app: object, environment: dict[str, str], tmp_path: Path, fork_server: ForkServer
) -> Iterator[Callable[..., WorkerProcesses]]:
    """Return a function that creates workers, which are stopped after the test."""
    made: list[WorkerProcesses] = []

    def new(*options: str, pool: str = "threads", **more: t.Any) -> WorkerProcesses:
        variables = {**environment, "PYTHONPATH": str(TESTS)}
        options = (f"--pool={pool}", "--concurrency=1", *options)
        given: dict[str, t.Any] = {"fork_server": fork_server}
        made.append(WorkerProcesses(tmp_path, variables, *options, **(given | more)))
        return made[-1]

    yield new
    for workers in made:
        workers.stop()


@pytest.fixture
def start_workers(new_workers: NewWorkers) -> NewWorkers:
    def start(*options: str, **more: t.Any) -> WorkerProcesses:
        workers = new_workers(*options, **more)
        workers.start()
        return workers

    return start


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def pids() -> dict[str, int]:
    """Return the process ids of the workers in the database, by name."""
    app_state = current_app_state()
    with app_state.database.read_session() as session:
        return {worker.name: worker.pid for worker in session.query(app_state.models.worker)}


def pids_of(workers: WorkerProcesses) -> dict[str, int]:
    """Return the process ids of *workers* once all have sent a heartbeat."""
    wait_until(lambda: set(pids()) == set(workers.names), what="the heartbeats")
    return pids()


def one_at_work(workers: WorkerProcesses, id: str) -> psutil.Process:
    """Return the worker that runs an execution, possibly in a child process of its pool."""
    process = psutil.Process(int(column(id, "worker").rpartition(":")[2]))
    return process if process.ppid() == workers.pid else psutil.Process(process.ppid())


class TestStarting:
    def test_workers_share_the_executions_and_the_memory(self, start_workers, api, model, gate):
        model.on("Do", "DONE", hold=gate)
        workers = start_workers()
        found = [psutil.Process(pid) for pid in pids_of(workers).values()]
        assert {process.ppid() for process in found} == {workers.pid}
        ids = [api.queue(documents.chain("a")), api.queue(documents.chain("b"))]
        model.wait_for_calls(2)  # each has one place
        gate.set()
        for id in ids:
            assert api.ended(id)["status"] == "completed"
        for process in found:
            assert process.memory_full_info().uss < process.memory_info().rss / 2

    @pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is only one core")
    def test_pinned_workers_have_one_cpu_each(self, start_workers, api):
        workers = start_workers("--pin")
        found = [psutil.Process(pid) for pid in pids_of(workers).values()]
        cores = {tuple(process.cpu_affinity()) for process in found}
        assert sorted(len(each) for each in cores) == [1, 1]
        assert len(psutil.Process(workers.pid).cpu_affinity()) > 1
        assert api.ended(api.queue(documents.chain("a")))["status"] == "completed"

    def test_workers_without_executions_do_not_load_crewai(self, start_workers):
        workers = start_workers("--queues=cleanup", fork_server=None)
        for process in (workers, *workers.children()):
            assert "pydantic_core" not in Path(f"/proc/{process.pid}/maps").read_text()

    def test_each_worker_has_its_own_files_and_only_one_runs_beat(self, start_workers, tmp_path):
        files = [f"--pidfile={tmp_path}/%n.pid", f"--statedb={tmp_path}/%n.state"]
        workers = start_workers(
            *(*files, "--queues=cleanup", "--beat", f"--schedule={tmp_path}/schedule"),
        )
        known = pids_of(workers)
        for name, pid in known.items():
            own = tmp_path / name.partition("@")[0]
            assert own.with_name(f"{own.name}.pid").read_text() == f"{pid}\n"
        wait_until(lambda: "beat: Starting" in workers.log_text(), what="beat")
        assert workers.log_text().count("beat: Starting") == 1
        workers.kill(signal.SIGTERM)
        assert workers.ended() == 0
        assert not list(tmp_path.glob("*.pid"))

    def test_the_command_fails_if_no_worker_can_start(self, new_workers, tmp_path):
        workers = new_workers("--queues=cleanup", f"--pidfile={tmp_path}/missing/%n.pid")
        with pytest.raises(RuntimeError, match="ended with status 1"):
            workers.start()
        assert "No worker can be started." in workers.log_text()
        assert workers.log_text().count("starting another one in 2 s") == 2


class TestEnding:
    @both_pools
    def test_after_sigterm_all_workers_finish_their_runs(
        self, start_workers, api, model, gate, pool, settings
    ):
        model.on("Do", "DONE", hold=gate)
        workers = start_workers(pool=pool)
        family = workers.children()
        pids_of(workers)
        ids = [api.queue(documents.chain("a")), api.queue(documents.chain("b"))]
        model.wait_for_calls(2)
        workers.kill(signal.SIGTERM)
        wait_until(lambda: workers.log_text().count("Warm shutdown") == 2, what="the signal")
        assert workers.running
        gate.set()
        assert workers.ended() == 0
        assert [api.status(id)["status"] for id in ids] == ["completed"] * 2
        assert not [process for process in family if process.is_running()]
        assert not pids()

    def test_a_second_interrupt_is_a_cold_shutdown(self, start_workers, api, model, gate):
        model.on("Do", "DONE", hold=gate)
        workers = start_workers()
        api.queue(documents.chain("a"))
        model.wait_for_calls(1)

        def seen_twice(text):
            return workers.log_text().count(text) == 2

        for last in ("Ctrl+C again will initiate", "Ctrl+C again will terminate"):
            assert last not in workers.log_text()
            os.killpg(workers.pid, signal.SIGINT)  # as a terminal does
            wait_until(partial(seen_twice, last), what="the signal")
        assert workers.running
        gate.set()
        assert workers.ended() == 1

    @both_pools
    def test_the_workers_exit_after_the_parent_was_killed(
        self, start_workers, api, model, gate, pool
    ):
        model.on("Do", "DONE", hold=gate)
        workers = start_workers(pool=pool)
        family = workers.children()
        id = api.queue(documents.chain("a"))
        model.wait_for_calls(1)
        workers.kill()
        wait_until(lambda: workers.log_text().count("Warm shutdown") == 2, what="the end")
        gate.set()
        wait_until(
            lambda: not [process for process in family if process.is_running()],
            what="the end of all processes",
        )
        assert api.status(id)["status"] == "completed"

    def test_sighup_restarts_the_command(self, start_workers):
        workers = start_workers("--queues=cleanup", fork_server=None)
        before = pids_of(workers)
        workers.kill(signal.SIGHUP)
        wait_until(
            lambda: len(pids()) == 2 and not set(pids().values()) & set(before.values()),
            what="other workers",
        )
        workers.kill(signal.SIGTERM)
        assert workers.ended() == 0


class TestReplacing:
    @both_pools
    def test_a_killed_worker_is_replaced_and_its_execution_continues(
        self, start_workers, api, model, settle, gate, pool
    ):
        model.on("Do b", "LATE", hold=gate, times=1).on("Do a", "ALPHA").on("Do b", "BETA")
        workers = start_workers(pool=pool)
        pids_of(workers)
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(2)
        killed = one_at_work(workers, id)
        killed.kill()
        wait_until(
            lambda: len(pids()) == 2 and killed.pid not in pids().values(), what="another one"
        )
        status = settle(id)
        assert [step["output"] for step in status["steps"]] == ["ALPHA", "BETA"]
        assert status["lost_attempts"] >= 1
        assert len(model.calls_matching("Do a")) == 1

    @pytest.mark.settings(LEASE_SECONDS=60.0)
    def test_workers_survive_a_broker_that_is_demoted(
        self, start_workers, api, model, settle, gate, redis_process
    ):
        model.on("Do a", "ALPHA", hold=gate)
        workers = start_workers()
        before = pids_of(workers)
        id = api.queue(documents.chain("a"))
        model.wait_for_calls(1)
        make_read_only(redis_process)
        try:
            wait_until(lambda: "read only replica" in workers.log_text(), what="the demotion")
        finally:
            promote(redis_process)  # other tests use the server, too
        gate.set()
        assert settle(id)["attempt"] == 1
        settle(api.queue(documents.chain("b")))
        assert pids() == before
        assert len(model.calls_matching("Do a")) == 1

    @pytest.mark.settings(MAX_WORKER_LOSSES=1)
    def test_a_crew_that_kills_every_worker_fails_in_the_end(
        self, start_workers, api, model, settle
    ):
        """In a pool of threads it takes the worker with it."""
        model.add(Rule("Do a", tool=("kill_itself", {}), after_tool=False))
        workers = start_workers()
        status = settle(api.queue(documents.chain("a", tools=("kill_itself",))), "failed")
        assert (status["error"]["code"], status["attempt"]) == ("worker-lost", 2)
        settle(api.queue(documents.chain("other")))
        assert workers.running

    @pytest.mark.settings(DRAIN_TIMEOUT=0.001)
    def test_a_worker_that_drains_releases_only_its_own_run(
        self, start_workers, api, model, settle
    ):
        gates = {name: threading.Event() for name in "ab"}
        for name, gate in gates.items():
            model.on(f"Do {name}1", name, hold=gate)
        workers = start_workers()
        pids_of(workers)
        first = api.queue(documents.chain("a1", "a2"))
        model.wait_for_calls(1)
        told = one_at_work(workers, first)
        second = api.queue(documents.chain("b1", "b2"))
        model.wait_for_calls(2)
        told.send_signal(signal.SIGHUP)  # as SIGTERM does
        wait_until(lambda: "Warm shutdown" in workers.log_text(), what="the signal")
        for gate in gates.values():
            gate.set()
        assert [settle(id)["attempt"] for id in (first, second)] == [2, 1]
        wait_until(lambda: len(pids()) == 2 and told.pid not in pids().values(), what="another one")
        assert workers.running


class TestForking:
    """The operating system refuses to fork."""

    def supervise(self, reaction: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(TESTS / "support" / "fork_failures.py"), reaction],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_it_is_retried(self, database_url):
        ended = self.supervise("space")
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "forked; blocked are\n"
        (line,) = ended.stderr.splitlines()
        assert line.startswith("Worker 1 did not start (")
        assert line.endswith("starting another one in 1 s.")

    def test_a_signal_stops_the_retries(self, database_url):
        ended = self.supervise("stop")
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr.count("starting another one") == 1

    def test_the_supervisor_gives_up_in_the_end(self, database_url):
        ended = self.supervise("wait")
        assert ended.returncode == 1
        assert "No worker can be started." in ended.stderr
        assert ended.stderr.count("starting another one") == 3
