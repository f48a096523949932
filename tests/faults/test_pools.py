"""What ends a run, within workers of each pool and beside other runs."""

from __future__ import annotations

import itertools
import signal
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_crewexec.testing import Rule
from support.api_client import Api
from support.graphs import documents
from support.servers.processes import wait_until

pytestmark = pytest.mark.each_pool

TIMEOUT = 12
"""Seconds; longer than a busy machine takes to the first call, and than a lease."""


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What held model calls wait for; open at the latest when the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def file(tmp_path: Path, model) -> Iterator[Path]:
    """A file for which the tool of a crew "hang" waits; there at the latest when the test ends."""
    file = tmp_path / "go"
    model.add(Rule("Do hang", tool=("wait_for_file", {"path": str(file)}), after_tool=False))
    yield file
    file.touch()


def hang(api: Api, file: Path, **order: object) -> str:
    """Return an execution whose tool hangs."""
    id = api.queue(documents.chain("hang", "next", tools=("wait_for_file",)), **order)
    wait_until(Path(f"{file}.waiting").exists, what="the tool to hang")
    return id


class TestOneWorker:
    @pytest.mark.settings(LEASE_SECONDS=8.0)
    def test_each_of_its_runs_ends_in_its_own_way(
        self, start_worker, api, model, settle, gate, file, pool
    ):
        model.on("Do last", hold=gate)
        model.on("Do (cancel|late)", hold=threading.Event())
        model.on("Do fail", status=500, times=1)
        start_worker(pool=pool, concurrency=6)
        last = api.queue(documents.chain("last"))
        cancelled = api.queue(documents.chain("cancel"))
        late = api.queue(documents.chain("late"), timeout=TIMEOUT)
        model.wait_for_calls(3)
        greedy = api.queue(documents.chain("x", "y", "z"), max_llm_calls=2)
        failing = api.queue(documents.chain("fail"))
        hanging = hang(api, file)
        for id in (cancelled, hanging):
            api("POST", f"/executions/{id}/cancel")
        assert settle(cancelled, "cancelled")["lost_attempts"] == 0
        assert settle(late, "timed_out")["error"]["code"] == "deadline-exceeded"
        for call in ("Do cancel", "Do late"):
            model.wait_for_calls(1, matching=call, outcome="disconnected")
        assert settle(greedy, "failed")["error"]["code"] == "budget-exhausted"
        assert settle(failing)["retries"] == 1
        settle(hanging, "cancelled")
        assert api.status(last)["status"] == "running"
        gate.set()
        assert settle(last)["lost_attempts"] == 0  # it has outlived its first lease by far
        assert len(model.calls_matching("Do last")) == 1
        assert not model.calls_matching("Do z")


class TestTimedOutTool:
    def test_the_worker_runs_another_crew_in_its_only_place(
        self, start_worker, api, model, settle, file, pool
    ):
        start_worker(pool=pool)
        id = hang(api, file, timeout=TIMEOUT)
        settle(api.queue(documents.chain("other")))
        assert api.status(id)["status"] == "timed_out"
        assert len(model.calls_matching("Do hang")) == 1
        assert not model.calls_matching("Do next")


@pytest.mark.settings(DRAIN_TIMEOUT=100)
class TestQuitWorker:
    """SIGQUIT: Celery's cold shutdown, which ends processes of a pool, but not threads."""

    def test_a_run_ends_with_its_step_at_the_latest_and_goes_on_elsewhere(
        self, start_worker, api, model, settle, gate, pool
    ):
        model.on("Do a", "ALPHA", hold=gate)
        worker = start_worker(pool=pool)
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(1)
        worker.kill(signal.SIGQUIT)
        wait_until(lambda: "terminate all running tasks" in worker.log_text(), what="the signal")
        gate.set()
        wait_until(lambda: not worker.running, what="the end of the worker")
        assert len(model.calls) == 1
        start_worker(pool=pool)
        settle(id)
        assert len(model.calls_matching("Do a")) <= (2 if pool == "prefork" else 1)
        assert len(model.calls_matching("Do b")) == 1


ENDS = {
    "full": Rule("Do full", status=400, code="context_length_exceeded"),
    "empty": Rule("Do empty", raw=b'{"choices": [{"message": {"content": ""}}]}'),
    "html": Rule("Do html", raw=b"<html>Bad gateway</html>"),
    "garble": Rule("Do garble", tool=("exit", "[7]")),
    "leave": Rule("Do leave", tool=("exit", {})),
    "break": Rule("Do break", tool=("interrupt", {})),
    "quit": Rule("Do quit", reply="quit"),
}
"""How runs end that find no use for what a model or a tool does, by the name of their step."""


def ending(kind: str) -> dict[str, t.Any]:
    document = documents.chain(kind, tools=("exit", "interrupt"))
    return documents.with_data(document, kind, guardrails=[{"name": "quits"}])


@pytest.mark.settings(MAX_RETRIES=0, LEASE_SECONDS=60.0)
def test_no_place_is_lost_however_runs_end(start_worker, api, model, settle, gate, pool):
    model.add(*ENDS.values()).on("Do check", hold=gate)
    concurrency = 2 if pool == "prefork" else 4
    worker = start_worker(pool=pool, concurrency=concurrency)
    kinds = itertools.islice(itertools.cycle(ENDS), 200)
    ids = [api.queue(ending(kind)) for kind in kinds]
    for id in ids:
        ended = settle(id, "failed")
        assert ended["error"]["code"] not in ("crew-failed", "worker-lost")
        assert (ended["lost_attempts"], ended["attempt"]) == (0, 1)
    checks = [api.queue(documents.chain("check")) for _ in range(concurrency)]
    model.wait_for_calls(concurrency, matching="Do check")  # each place takes one
    gate.set()
    for id in checks:
        settle(id)
    assert worker.running
