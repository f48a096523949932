"""Worker processes that die, freeze, hang or are told to end."""

from __future__ import annotations

import threading

import pytest

import crews

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("pool", ["prefork", "threads"])
class TestKilledWorker:
    def test_another_worker_continues_behind_the_finished_steps(
        self, start_worker, api, model, settle, pool
    ):
        gate = threading.Event()
        model.on("Do b", "BETA", hold=gate, times=1)
        model.on("Do a", "ALPHA").on("Do b", "BETA").on("Do c", "GAMMA")
        worker = start_worker(pool=pool)
        id = api.queue(crews.chain("a", "b", "c"))
        model.wait_for_calls(2)
        worker.kill()
        start_worker(pool=pool)
        status = settle(id)
        gate.set()
        assert [step["output"] for step in status["steps"]] == ["ALPHA", "BETA", "GAMMA"]
        assert len(model.calls_matching("Do a")) == 1
        assert len(model.calls_matching("Do b")) == 2
        assert (status["attempt"], status["lost_attempts"]) == (2, 1)
