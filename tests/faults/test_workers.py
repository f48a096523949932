"""Worker processes that die, freeze, hang or are told to end."""

from __future__ import annotations

import signal
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from flask import Flask

from flask_crewexec.messaging.event_publisher import CHANNEL_PREFIX
from flask_crewexec.testing import Rule
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.freezing import freeze
from support.graphs import documents
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn
from support.servers.celery_nodes import WorkerProcess
from support.servers.closed_door import ClosedDoor
from support.servers.processes import wait_until

pytestmark = pytest.mark.python


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What held model calls wait for; open at the latest when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


def outputs(status: dict[str, t.Any]) -> list[str | None]:
    return [step["output"] for step in status["steps"]]


def history(api: Api, id: str) -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", api("GET", f"/executions/{id}/events").json["events"])


def wait_for(api: Api, id: str, state: str) -> dict[str, t.Any]:
    """Wait without a reconciler: the worker alone has to bring this about."""
    wait_until(lambda: api.status(id)["status"] == state, what=f"'{state}' of {api.status(id)}")
    return api.status(id)


@pytest.mark.each_pool
class TestKilledWorker:
    def test_another_worker_continues_after_the_completed_steps(
        self, start_worker, api, model, settle, gate, pool
    ):
        model.on("Do b", "BETA", hold=gate, times=1)
        model.on("Do a", "ALPHA").on("Do b", "BETA").on("Do c", "GAMMA")
        worker = start_worker(pool=pool)
        id = api.queue(documents.chain("a", "b", "c"))
        model.wait_for_calls(2)
        worker.kill()
        start_worker(pool=pool)
        status = settle(id)
        assert outputs(status) == ["ALPHA", "BETA", "GAMMA"]
        assert len(model.calls_matching("Do a")) == 1
        assert len(model.calls_matching("Do b")) == 2
        assert (status["attempt"], status["lost_attempts"]) == (2, 1)


@pytest.mark.each_pool
class TestHangingModel:
    def test_a_cancel_cuts_the_call_and_keeps_finished_outputs(
        self, start_worker, api, model, gate, pool
    ):
        model.on("Do a", "ALPHA").on("Do b", "BETA", hold=gate)
        start_worker(pool=pool)
        id = api.queue(documents.chain("a", "b", "c"))
        model.wait_for_calls(2)
        api("POST", f"/executions/{id}/cancel")
        model.wait_for_calls(1, matching="Do b", outcome="disconnected")
        status = wait_for(api, id, "cancelled")
        assert outputs(status) == ["ALPHA", None, None]
        assert [step["status"] for step in status["steps"]] == [
            "completed",
            "cancelled",
            "pending",
        ]
        assert len(model.calls) == 2
        assert "forced" not in str(history(api, id))


@pytest.fixture
def file(tmp_path: Path, model: ScriptedModel) -> Iterator[Path]:
    """A file for which the tool of a crew "hang" waits; there at the latest when the test ends."""
    file = tmp_path / "go"
    model.add(Rule("Do hang", tool=("wait_for_file", {"path": str(file)}), after_tool=False))
    yield file
    file.touch()


def cancel_hanging(api: Api, file: Path) -> str:
    """Cancel an execution while its tool hangs; return it when it has ended."""
    id = api.queue(documents.chain("hang", "b", tools=("wait_for_file",)))
    wait_until(Path(f"{file}.waiting").exists, what="the tool to hang")
    api("POST", f"/executions/{id}/cancel")
    wait_for(api, id, "cancelled")
    return id


@pytest.mark.each_pool
class TestHangingTool:
    def test_after_a_cancel_the_worker_runs_another_crew_in_its_only_place(
        self, start_worker, api, model, file, pool
    ):
        start_worker(pool=pool, concurrency=1)
        id = cancel_hanging(api, file)
        wait_for(api, api.queue(documents.chain("next")), "completed")
        assert history(api, id)[-1]["data"] == {"forced": True}
        assert len(model.calls_matching("Do hang")) == 1

    def test_after_a_cancel_the_worker_still_stops_when_asked_to(
        self, start_worker, api, file, pool
    ):
        worker = start_worker(pool=pool)
        cancel_hanging(api, file)
        worker.kill(signal.SIGTERM)
        wait_until(lambda: not worker.running, what="the end of the worker")
        assert not file.exists()


@pytest.mark.postgresql
class TestHangingToolOfAProcess:
    def test_its_process_is_killed(self, start_worker, api, file):
        worker = start_worker(pool="prefork")
        (child,) = worker.children()
        cancel_hanging(api, file)
        wait_until(lambda: not child.is_running(), what="the end of the process")
        assert worker.running

    @pytest.mark.settings(CANCEL_GRACE_SECONDS=2.0)
    def test_subscribers_are_notified_before_the_process_is_killed(
        self, start_worker, api, file, redis_process
    ):
        start_worker(pool="prefork")
        id = api.queue(documents.chain("hang", tools=("wait_for_file",)))
        with (
            redis_process.client() as redis,
            redis.pubsub(ignore_subscribe_messages=True) as pubsub,
        ):
            pubsub.subscribe(f"{CHANNEL_PREFIX}{id}")
            wait_until(Path(f"{file}.waiting").exists, what="the tool to hang")
            while pubsub.get_message(timeout=1.0):
                pass
            api("POST", f"/executions/{id}/cancel")
            wait_until(
                lambda: pubsub.get_message(timeout=1.0) and api.status(id)["status"] == "cancelled",
                what="the announcement of the end",
            )


@pytest.mark.sqlite_enough
class TestHangingToolOfAThread:
    def test_a_late_return_writes_nothing_and_calls_no_model(self, start_worker, api, model, file):
        worker = start_worker(pool="threads")
        id = cancel_hanging(api, file)
        before = (api.status(id), history(api, id))
        file.touch()
        wait_until(lambda: "has lost the lease" in worker.log_text(), what="the end of the run")
        assert (api.status(id), history(api, id)) == before
        assert len(model.calls) == 1


@pytest.mark.each_pool
class TestFrozenWorker:
    def test_it_writes_nothing_when_it_comes_back_after_its_lease(
        self, start_worker, api, model, settle, gate, pool
    ):
        model.on("Do b", "LATE", hold=gate, times=1).on("Do b", "BETA")
        frozen = start_worker(pool=pool)
        id = api.queue(documents.chain("a", "b", "c"))
        model.wait_for_calls(2)
        freeze(frozen)
        other = start_worker(pool=pool)
        before = (settle(id), history(api, id), len(model.calls))
        assert before[0]["steps"][1]["output"] == "BETA"
        other.stop()
        gate.set()
        frozen.resume()
        wait_until(lambda: "has lost the lease" in frozen.log_text(), what="the end of the old run")
        wait_for(api, api.queue(documents.chain("next")), "completed")
        assert (api.status(id), history(api, id), len(model.calls) - 1) == before


@pytest.mark.sqlite_enough
class TestWorkerFrozenBeforeItAsks:
    @pytest.mark.settings(POLL_INTERVAL=1.0)
    def test_it_does_not_ask_the_model_for_what_another_has_finished(
        self, start_worker, api, model, settle, environment
    ):
        url = environment["MODEL_URL"]
        with ClosedDoor() as door:
            environment["MODEL_URL"] = f"http://127.0.0.1:{door.port}/v1"
            frozen = start_worker(pool="threads")
            id = api.queue(documents.chain("a"))
            wait_until(lambda: door.has_caller(psutil.Process(frozen.pid)), what="the call")
            freeze(frozen)
            with door.open() as connection:
                environment["MODEL_URL"] = url
                other = start_worker(pool="threads")
                before = settle(id)
                other.stop()
                frozen.resume()
                assert connection.recv(1) == b""  # closed, and nothing was sent
        wait_until(lambda: "has lost the lease" in frozen.log_text(), what="the end of the old run")
        assert api.status(id) == before


@pytest.mark.each_pool
@pytest.mark.settings(DRAIN_TIMEOUT=0.001)
class TestStoppedWorker:
    def test_a_run_is_released_after_its_current_step(
        self, start_worker, api, model, settle, gate, pool
    ):
        model.on("Do a", "ALPHA", hold=gate)
        worker = start_worker(pool=pool)
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(1)
        worker.kill(signal.SIGTERM)
        wait_until(lambda: "Warm shutdown" in worker.log_text(), what="the signal")
        gate.set()
        wait_until(lambda: not worker.running, what="the end of the worker")
        status = api.status(id)
        assert (status["status"], outputs(status)) == ("queued", ["ALPHA", None])
        start_worker(pool=pool)
        status = settle(id)
        assert (status["attempt"], status["lost_attempts"]) == (2, 0)
        assert len(model.calls_matching("Do a")) == len(model.calls_matching("Do b")) == 1

    def test_a_run_is_released_in_the_middle_of_a_step_before_its_next_model_call(
        self, start_worker, api, model, settle, notes, tmp_path, pool
    ):
        file = tmp_path / "go"
        first = ("write_note", {"text": "first"}), ("wait_for_file", {"path": str(file)})
        model.add(Turn(raw=tool_calls(*first), results=0))
        model.add(Turn(raw=tool_calls(("write_note", {"text": "second"})), results=2))
        model.add(Turn(reply="DONE", results=3))
        worker = start_worker(pool=pool)
        id = api.queue(documents.chain("a", tools=("write_note", "wait_for_file")))
        wait_until(Path(f"{file}.waiting").exists, what="the tool")
        worker.kill(signal.SIGTERM)
        wait_until(lambda: "Warm shutdown" in worker.log_text(), what="the signal")
        file.touch()
        wait_until(lambda: not worker.running, what="the end of the worker")
        assert (api.status(id)["status"], len(model.calls)) == ("queued", 1)
        Path(f"{file}.waiting").unlink()
        start_worker(pool=pool)
        status = settle(id)
        assert (status["attempt"], status["lost_attempts"]) == (2, 0)
        assert len(model.calls) == 3
        assert not Path(f"{file}.waiting").exists()  # the tool was not called again
        assert notes() == {"first": 1, "second": 1}


@pytest.mark.postgresql
class TestKilledProcess:
    def test_a_pool_process_that_is_killed_costs_no_more_than_its_step(
        self, start_worker, api, model, settle, gate
    ):
        model.on("Do b", "LATE", hold=gate, times=1).on("Do b", "BETA")
        worker = start_worker(pool="prefork")
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(2)
        (child,) = worker.children()
        child.kill()
        assert settle(id)["lost_attempts"] == 1
        assert len(model.calls_matching("Do a")) == 1
        assert len(model.calls_matching("Do b")) == 2

    @pytest.mark.settings(MAX_WORKER_LOSSES=1)
    def test_a_crew_that_kills_every_worker_fails_in_the_end(
        self, start_worker, api, model, settle
    ):
        model.add(Rule(tool=("kill_itself", {}), after_tool=False))
        start_worker(pool="prefork")
        status = settle(api.queue(documents.chain("a", tools=("kill_itself",))), "failed")
        assert (status["error"]["code"], status["attempt"]) == ("worker-lost", 2)
        assert len(model.calls) == 1  # the second worker has the first one's answer

    @pytest.mark.parametrize("limit", ["--max-tasks-per-child=1", "--max-memory-per-child=1"])
    def test_processes_that_are_replaced_after_each_task_lose_nothing(
        self, start_worker, api, model, limit
    ):
        worker = start_worker(pool="prefork", concurrency=2, options=(limit,))
        first = {child.pid for child in worker.children()}
        ids = [api.queue(documents.chain(f"n{number}", "z")) for number in range(4)]
        assert {wait_for(api, id, "completed")["attempt"] for id in ids} == {1}
        assert len(model.calls) == 8
        wait_until(
            lambda: first.isdisjoint(child.pid for child in worker.children()),
            what="the first processes to be replaced",
        )


class TestRevokedTask:
    """``celery control revoke``, which Celery's operators know."""

    @pytest.mark.each_pool
    def test_a_waiting_execution_never_starts(self, start_worker, api, app, model, gate, pool):
        model.on("Do first", "FIRST", hold=gate)
        worker = start_worker(pool=pool)
        first = api.queue(documents.chain("first"))
        model.wait_for_calls(1)
        id = api.queue(documents.chain("second"))
        revoke(app, worker, id)
        gate.set()
        wait_for(api, id, "cancelled")
        wait_for(api, first, "completed")
        assert len(model.calls) == 1

    @pytest.mark.postgresql
    def test_a_running_one_is_terminated_and_not_taken_over(
        self, start_worker, api, app, model, settle, gate
    ):
        model.on("Do b", hold=gate)
        worker = start_worker(pool="prefork")
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(2)
        revoke(app, worker, id, terminate=True)
        assert settle(id, "cancelled")["cancellation"]["reason"] == "Revoked by an operator."
        assert len(model.calls) == 2


def revoke(app: Flask, worker: WorkerProcess, id: str, **options: bool) -> None:
    """Repeat it until the worker has answered: it is ready a moment before it listens."""
    control = app.extensions["celery"].control
    wait_until(
        lambda: control.revoke(
            id, destination=[worker.hostname], reply=True, timeout=1, limit=1, **options
        ),
        what="the answer of the worker",
    )
