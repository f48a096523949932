"""Flower, the monitor of many Celery users, against our broker as it is."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.graphs import documents
from support.paths import ROOT
from support.paths import TESTS
from support.servers.processes import free_port
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough


class Flower(ServerProcess):
    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        command = [sys.executable, "-m", "celery", "-A", "support.host_app.worker", "flower"]
        command += ["--address=127.0.0.1", f"--port={port}"]
        variables = {**os.environ, **environment, "FLOWER_UNAUTHENTICATED_API": "true"}
        super().__init__(command, log=folder / "flower.log", cwd=ROOT, environment=variables)

    def is_ready(self) -> bool:
        try:
            return self.ask("/healthcheck") == "OK"
        except OSError:
            return False

    def ask(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return str(answer.read().decode())


def test_it_sees_our_workers_queues_and_tasks(start_worker, api, environment, tmp_path, model):
    worker = start_worker(pool="threads", options=("--task-events",))
    variables = {**environment, "PYTHONPATH": str(TESTS)}
    with Flower(tmp_path, variables) as flower:
        wait_until(lambda: worker.hostname in flower.ask("/workers"), what="the worker")
        id = api.queue(documents.chain("a"))
        wait_until(lambda: id in flower.ask("/api/tasks"), what="the task")
        assert json.loads(flower.ask("/api/tasks"))[id]["name"] == "crewexec.execution"
        assert "crew_execution" in flower.ask("/api/queues/length")
