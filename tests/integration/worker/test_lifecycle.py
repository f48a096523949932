"""Executions on real worker processes, queued over HTTP."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flask_crewexec import AsyncExecutionService
from flask_crewexec.app_state import current_app_state
from support.graphs import documents
from support.servers.processes import wait_until

pytestmark = [pytest.mark.libraries, pytest.mark.redis]

WAIT = 30


class TestSetup:
    def test_a_queued_crew_runs_and_its_result_is_read(self, celery_setup, api, model):
        assert celery_setup.ready(control=True)
        model.on("Do a", "ALPHA").on("Do b", "BETA")
        id = api.queue(documents.chain("a", "b"))
        status = api.status(id, wait=WAIT)
        assert status["status"] == "completed"
        assert status["result"]["raw"] == "BETA"
        assert [step["output"] for step in status["steps"]] == ["ALPHA", "BETA"]
        assert len(model.calls) == 2

    def test_operators_see_the_tasks_and_the_worker(self, celery_setup, api, admin, app):
        inspect = celery_setup.app.control.inspect(timeout=1, limit=1)
        # A worker is ready a moment before it listens to its remote control.
        wait_until(inspect.ping, what="an answer")
        (registered,) = inspect.registered().values()
        names = {task.split()[0] for task in registered}  # options follow, such as a rate limit
        assert {"crewexec.execution", "crewexec.cleanup"} <= names
        wait_until(lambda: admin("GET", "/queues").json["workers"], what="a heartbeat")
        (worker,) = admin("GET", "/queues").json["workers"]
        assert worker["name"] == celery_setup.worker.hostname()
        assert worker["queues"] == ["cleanup", "crew_execution"]
        assert (worker["pool"], worker["concurrency"]) == ("prefork", 1)
        assert api("GET", "/health/ready?require=workers").status_code == 200

    def test_a_stopped_worker_is_not_ready_any_more(self, celery_setup, api, admin):
        wait_until(lambda: admin("GET", "/queues").json["workers"], what="a heartbeat")
        celery_setup.worker.process.stop()
        assert admin("GET", "/queues").json["workers"] == []
        assert api("GET", "/health/ready?require=workers").status_code == 503


@pytest.mark.each_pool
class TestPools:
    def test_the_most_urgent_runs_first(self, start_worker, api, model, pool):
        gate = threading.Event()
        model.on("Do first", hold=gate)
        start_worker(pool=pool)
        first = api.queue(documents.chain("first"))
        model.wait_for_calls(1)
        ids = [api.queue(documents.chain(f"p{p}"), priority=p) for p in range(10, 0, -1)]
        gate.set()
        for id in [first, *ids]:
            assert api.status(id, wait=WAIT)["status"] == "completed"
        order = [call.prompt.split("Do ")[1].split()[0] for call in model.calls]
        assert order == ["first", *(f"p{p}" for p in range(1, 11))]

    @pytest.mark.settings(LEASE_SECONDS=100, POLL_INTERVAL=20)
    def test_a_running_crew_is_cancelled_between_its_steps(self, start_worker, api, model, pool):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        start_worker(pool=pool)
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(1)
        assert AsyncExecutionService().cancel_task(id) is True
        gate.set()
        status = api.status(id, wait=WAIT)
        assert status["status"] == "cancelled"
        assert status["steps"][0]["output"] == "ALPHA"
        assert len(model.calls) == 1

    def test_many_at_once_do_not_mix(self, start_worker, api, model, pool):
        model.on(
            "Do", reply=lambda body: body["messages"][-1]["content"].split("Do ")[1].split()[0]
        )
        start_worker(pool=pool, concurrency=4)
        names = [f"n{number}" for number in range(12)]
        ids = {name: api.queue(documents.chain(name, f"{name}x")) for name in names}
        for name, id in ids.items():
            status = api.status(id, wait=WAIT)
            assert [step["output"] for step in status["steps"]] == [name, f"{name}x"]
            assert status["usage"]["llm_calls"] == 2
        assert len(model.calls) == 24


@pytest.mark.sqlite_enough
class TestSeparateQueues:
    def test_a_worker_for_cleanup_alone_needs_no_crewai(self, start_worker, app):
        worker = start_worker(queues=("cleanup",), fork_server=None)
        maps = Path(f"/proc/{worker.pid}/maps").read_text()
        assert "pydantic_core" not in maps

    def test_beat_and_the_cleanup_queue_remove_old_executions(self, start_worker, app, api):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel")
        execution = current_app_state().models.execution
        with current_app_state().database.write_transaction() as session:
            row = session.query(execution).one()
            row.finished_at = row.finished_at.replace(year=2020)
        start_worker(queues=("cleanup",))
        app.extensions["celery"].tasks["crewexec.cleanup"].delay({"action": "purge"})
        wait_until(lambda: api("GET", f"/executions/{id}").status_code == 404, what="the purge")
