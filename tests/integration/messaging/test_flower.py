"""Flower, the monitor of many Celery users, against our broker as it is."""

from __future__ import annotations

import json
import os
import sys
import threading
import typing as t
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from support.graphs import documents
from support.in_process import insert_worker
from support.paths import ROOT
from support.paths import TESTS
from support.servers.processes import free_port
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough


class Flower(ServerProcess):
    def __init__(self, folder: Path, environment: Mapping[str, str], *options: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        command = [sys.executable, "-m", "celery", "-A", "support.host_app.worker", "flower"]
        command += ["--address=127.0.0.1", f"--port={port}", *options]
        variables = {**os.environ, **environment, "PYTHONPATH": str(TESTS)}
        super().__init__(command, log=folder / "flower.log", cwd=ROOT, environment=variables)

    def is_ready(self) -> bool:
        try:
            return self.ask("/healthcheck") == "OK"
        except httpx.TransportError:
            return False

    def ask(self, path: str) -> str:
        return self.request("GET", path).text

    def request(self, method: str, path: str, **options: t.Any) -> httpx.Response:
        address = f"{self.url}{path}"
        return httpx.request(method, address, timeout=20, trust_env=False, **options)


def test_it_sees_our_workers_queues_and_tasks(start_worker, api, environment, tmp_path, model):
    worker = start_worker(pool="threads", options=("--task-events",))
    variables = {**environment, "FLOWER_UNAUTHENTICATED_API": "true"}
    with Flower(tmp_path, variables) as flower:
        wait_until(lambda: worker.hostname in flower.ask("/workers"), what="the worker")
        id = api.queue(documents.chain("a"))
        wait_until(lambda: id in flower.ask("/api/tasks"), what="the task")
        assert json.loads(flower.ask("/api/tasks"))[id]["name"] == "crewexec.execution"
        assert "crew_execution" in flower.ask("/api/queues/length")


def test_without_users_of_its_own_it_can_only_be_read(
    start_worker, api, environment, tmp_path, model
):
    worker = start_worker(pool="threads", options=("--task-events",))
    with Flower(tmp_path, environment) as flower:
        wait_until(lambda: worker.hostname in flower.ask("/workers"), what="the worker")
        id = api.queue(documents.chain("a"), inputs={"topic": "secret plans"})
        wait_until(lambda: id in flower.ask(f"/task/{id}"), what="the task")
        assert "secret plans" not in flower.ask(f"/task/{id}")
        for page in ("/workers", "/tasks", "/broker", "/metrics", f"/worker/{worker.hostname}"):
            assert flower.request("GET", page).status_code == 200
        for action in (
            f"worker/shutdown/{worker.hostname}",
            f"worker/pool/grow/{worker.hostname}?n=2",
            f"task/revoke/{id}",
        ):
            assert flower.request("POST", f"/api/{action}").status_code == 401


def test_who_knows_the_password_can_cancel(start_worker, api, environment, tmp_path, model):
    answer = threading.Event()
    model.on("Do a", hold=answer)
    start_worker(pool="threads", options=("--task-events",))
    with Flower(tmp_path, environment, "--basic-auth=ops:secret") as flower:
        assert flower.request("GET", "/workers").status_code == 401
        id = api.queue(documents.chain("a"))
        model.wait_for_calls(1)
        waiting = api.queue(documents.chain("b"))
        done = flower.request("POST", f"/api/task/revoke/{waiting}", auth=("ops", "secret"))
        assert done.status_code == 200
        answer.set()
        assert api.ended(waiting)["status"] == "cancelled"
        assert api.ended(id)["status"] == "completed"


def test_it_counts_few_levels_of_priority(app, api, environment, tmp_path):
    insert_worker(app)
    for priority in (1, 3, 5, 10):
        api.queue(documents.chain("a"), priority=priority)
    variables = {**environment, "FLOWER_UNAUTHENTICATED_API": "true"}
    with Flower(tmp_path, variables) as flower:
        queues = json.loads(flower.ask("/api/queues/length"))["active_queues"]
    lengths = {queue["name"]: queue["messages"] for queue in queues}
    assert lengths["crew_execution"] == 2
