"""Workers that operators drain: they finish what they run, and take nothing new."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.services.worker_control import list_workers
from flask_crewexec.storage.workers import record_heartbeat
from flask_crewexec.storage.workers import WorkerProcess
from support.api_client import problem
from support.graphs import documents
from support.in_process import column
from support.servers.celery_nodes import WorkerProcesses
from support.servers.processes import wait_until

pytestmark = pytest.mark.python


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What held model calls wait for; open at the latest when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


def workers(admin):
    return {each["name"]: each for each in admin("GET", "/workers").json["workers"]}


def state(admin, worker):
    found = workers(admin).get(worker.hostname)
    return None if found is None else found["state"]


def wait_for_state(admin, worker, wanted):
    wait_until(lambda: state(admin, worker) == wanted, what=f"{wanted}: {workers(admin)}")
    return workers(admin)[worker.hostname]


def drain(admin, worker, **body):
    id = workers(admin)[worker.hostname]["id"]
    answer = admin("POST", f"/workers/{id}/drain", json=body)
    assert answer.status_code == 200, answer.json
    return id


@pytest.mark.each_pool
@pytest.mark.settings(LEASE_SECONDS=60.0)
class TestDrain:
    def test_a_worker_finishes_its_crew_and_another_one_takes_the_next(
        self, start_worker, api, admin, model, settle, gate, pool
    ):
        model.on("Do a", "ALPHA", hold=gate).on("Do b", "BETA").on("Do next", "NEXT")
        first = start_worker(pool=pool, concurrency=2)
        wait_for_state(admin, first, "running")
        long = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(1)
        id = drain(admin, first)
        wait_until(lambda: not is_consuming(id), what="the drain")
        wait_until(lambda: workers(admin)[first.hostname]["busy"] == 1, what="a heartbeat")
        (run,) = workers(admin)[first.hostname]["runs"]
        assert (run["id"], run["user_id"], run["current_step"]) == (long, "ada", "a")
        assert state(admin, first) == "draining"
        following = api.queue(documents.chain("next"))
        start_worker(pool=pool)
        settle(following)
        assert column(following, "worker_id") != column(long, "worker_id") == uuid.UUID(id)
        gate.set()
        assert settle(long)["attempt"] == 1
        told = wait_for_state(admin, first, "drained")
        assert (told["drain"]["by"], told["drain"]["then"], told["busy"]) == ("admin", "idle", 0)

    def test_it_stays_idle_until_it_is_resumed(self, start_worker, api, admin, model, settle, pool):
        model.on("Do a", "done")
        worker = start_worker(pool=pool)
        wait_for_state(admin, worker, "running")
        id = drain(admin, worker)
        wait_for_state(admin, worker, "drained")
        waiting = api.queue(documents.chain("a"))
        assert worker.running
        assert admin("POST", f"/workers/{id}/resume").json["drain"] is None
        settle(waiting)
        assert column(waiting, "worker_id") == uuid.UUID(id)

    def test_it_stops_when_it_has_finished(
        self, start_worker, api, admin, model, settle, gate, pool
    ):
        model.on("Do a", "ALPHA", hold=gate).on("Do b", "BETA")
        worker = start_worker(pool=pool)
        wait_for_state(admin, worker, "running")
        running = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(1)
        id = drain(admin, worker, then="stop")
        wait_until(lambda: not is_consuming(id), what="the drain")
        assert worker.running
        gate.set()
        wait_until(lambda: not worker.running, what="the end of the worker")
        assert api.status(running)["attempt"] == 1
        assert api.status(running)["status"] == "completed"
        problem(admin("POST", f"/workers/{id}/resume"), 404, "not-found")


def is_consuming(id):
    found = (each.row for each in list_workers(current_app_state()))
    return next(row.is_consuming for row in found if str(row.id) == id)


class TestFaults:
    def test_a_worker_that_is_killed_while_it_drains_loses_nothing(
        self, start_worker, api, admin, model, settle, gate
    ):
        model.on("Do a", "ALPHA", hold=gate, times=1).on("Do a", "ALPHA")
        first = start_worker()
        wait_for_state(admin, first, "running")
        id = api.queue(documents.chain("a"))
        model.wait_for_calls(1)
        drained = drain(admin, first, then="stop")
        first.kill()
        start_worker()
        assert settle(id)["attempt"] == 2
        assert column(id, "worker_id") != uuid.UUID(drained)

    def test_an_order_for_a_dead_worker_does_not_reach_the_next_of_its_name(self, app, admin):
        app_state = current_app_state()
        old, new = (process("w@host", uuid.uuid4()) for _ in range(2))
        beat(app_state, old)
        assert admin("POST", f"/workers/{old.id}/drain").status_code == 200
        assert beat(app_state, old) == "idle"
        assert beat(app_state, new) is None
        assert beat(app_state, new) is None
        problem(admin("POST", f"/workers/{old.id}/drain"), 404, "not-found")
        assert workers(admin)["w@host"]["drain"] is None

    @pytest.mark.settings(STALE_WORKER_AFTER=600.0, LEASE_SECONDS=60.0)
    def test_a_slot_of_a_drained_worker_counts_for_nothing(self, app, api, admin, client):
        app_state = current_app_state()
        only = process("w@host", uuid.uuid4(), queues=["crew_execution", "cleanup"])
        beat(app_state, only)
        assert client.get("/crewexec/health/ready?require=workers").status_code == 200
        admin("POST", f"/workers/{only.id}/drain")
        checks = client.get("/crewexec/health/ready").json["checks"]
        assert checks["workers:crew_execution"] == "no worker"
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        assert [column(id, "on_hold") for id in ids] == [False, True]
        metrics = admin("GET", "/metrics").text
        assert 'crewexec_workers_draining{queue="crew_execution"} 1.0' in metrics
        assert 'crewexec_worker_slots{queue="crew_execution"} 0.0' in metrics

    @pytest.mark.parametrize("action", ["drain", "resume"])
    def test_only_managers_may(self, app, api, action):
        only = process("w@host", uuid.uuid4())
        beat(current_app_state(), only)
        problem(api("POST", f"/workers/{only.id}/{action}"), 403, "forbidden")
        problem(api("GET", "/workers"), 403, "forbidden")
        assert beat(current_app_state(), only) is None


class TestSeveralOfOneCommand:
    @pytest.mark.sqlite_enough
    def test_those_that_were_drained_to_stop_are_not_replaced(
        self, app, environment, tmp_path, fork_server, admin
    ):
        command = WorkerProcesses(
            tmp_path, environment, "--pool=threads", count=2, fork_server=fork_server
        )
        try:
            command.start()
            wait_until(lambda: len(workers(admin)) == 2, what="both workers")
            first, second = sorted(workers(admin).values(), key=lambda each: str(each["name"]))
            admin("POST", f"/workers/{first['id']}/drain", json={"then": "stop"})
            wait_until(lambda: len(workers(admin)) == 1, what="the end of the first")
            assert command.running
            admin("POST", f"/workers/{second['id']}/drain", json={"then": "stop"})
            wait_until(lambda: not command.running, what="the end of the command")
        finally:
            command.stop()
        assert "starting another one" not in command.log_text()


class TestTerminal:
    @pytest.mark.sqlite_enough
    @pytest.mark.settings(STALE_WORKER_AFTER=600.0)
    def test_drains_by_name_and_by_id(self, app, admin):
        only = process("w@host", uuid.uuid4())
        beat(current_app_state(), only)
        runner = app.test_cli_runner()
        done = runner.invoke(args=["crewexec", "drain-worker", "w@host", "--stop", "--by=ops"])
        assert done.output == ("'w@host' takes nothing new. When it has finished, it stops.\n"), (
            done.output
        )
        drain = workers(admin)["w@host"]["drain"]
        assert (drain["by"], drain["then"]) == ("ops", "stop")
        shown = runner.invoke(args=["crewexec", "workers"]).output.splitlines()[1].split()
        assert shown[:2] == ["w@host", "draining"]
        done = runner.invoke(args=["crewexec", "resume-worker", str(only.id)])
        assert done.output == "'w@host' takes tasks again.\n"
        unknown = runner.invoke(args=["crewexec", "drain-worker", "nobody@host"])
        assert (unknown.exit_code, "Error: " in unknown.stderr) == (1, True)


def process(name, id, queues=("crew_execution",)):
    return WorkerProcess(name, 1, None, list(queues), "threads", 5, id=id)


def beat(app_state, process):
    with app_state.database.write_transaction() as session:
        return record_heartbeat(session, app_state.models, process, uptime=1.0)
