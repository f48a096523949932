"""Forks whose web server, broker or worker fails, and forks that are requested at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from flask_crewexec.messaging.broker import queue_depths
from support.api_client import Api
from support.graphs import documents
from support.in_process import run
from support.paths import TESTS
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

CROWD = 8
DIES_BEFORE_PUBLISHING = """
import os, signal, sys
from support.host_app import host
from support.api_client import Api
from flask_crewexec.scheduling import delivery

delivery.publish_attempt = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
api = Api(host.create_app().test_client(), "ada")
api("POST", f"/executions/{sys.argv[1]}/fork", json={"from_step": "b"})
"""


@pytest.fixture
def redis_process(tmp_path):
    """A server of our own, since we stop it."""
    with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
        yield process


@pytest.fixture
def source(api, model):
    """A completed execution of the steps a and b."""
    model.on("Do b", "BETA").on("Do a", "ALPHA")
    id = api.queue(documents.chain("a", "b"))
    assert run(id) == "completed"
    return id


@pytest.fixture
def rows(app):
    """Return how many executions and steps are stored."""
    models = app.extensions["crewexec"].models

    def rows():
        with app.extensions["sqlalchemy"].engine.connect() as connection:
            return [
                connection.scalar(sa.select(sa.func.count()).select_from(model))
                for model in (models.execution, models.step, models.event)
            ]

    return rows


def fork(api, id, key=None, **changes):
    headers = {} if key is None else {"Idempotency-Key": key}
    return api("POST", f"/executions/{id}/fork", json=changes, headers=headers)


def test_concurrent_forks_with_one_key_queue_one_execution(app, api, model, source):
    start = threading.Barrier(CROWD)

    def one(_):
        start.wait()
        return fork(Api(app.test_client(), "ada"), source, "once", from_step="b")

    with ThreadPoolExecutor(CROWD) as pool:
        responses = list(pool.map(one, range(CROWD)))
    created = [each for each in responses if each.status_code == 201]
    others = {each.json["code"] for each in responses if each.status_code != 201}
    assert len({each.json["execution"]["id"] for each in created}) == 1
    assert others <= {"idempotency-key-in-use"}
    (listed,) = api("GET", f"/executions?forked_from={source}").json["executions"]
    waiting = queue_depths(app.extensions["crewexec"])["crew_execution"]
    assert sum(waiting.values()) == 2  # the message of the source was not taken
    assert run(listed["id"]) == "completed"
    assert len(model.calls_matching("Do a")) == 1


def test_without_a_broker_nothing_is_stored(api, redis_process, source, rows):
    before = rows()
    redis_process.stop()
    response = fork(api, source, from_step="b")
    assert (response.status_code, response.json["code"]) == (503, "broker-unavailable")
    assert rows() == before


def test_a_web_server_that_is_killed_before_it_sends_the_message_loses_nothing(
    api, model, environment, source, reconcile, settle, start_worker
):
    variables = {**os.environ, **environment, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", DIES_BEFORE_PUBLISHING, source]
    done = subprocess.run(command, env=variables, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    (stored,) = api("GET", f"/executions?forked_from={source}").json["executions"]
    assert stored["status"] == "queued"
    start_worker(pool="threads")
    status = settle(stored["id"])
    assert [step["output"] for step in status["steps"]] == ["ALPHA", "BETA"]
    assert [step["origin"] for step in status["steps"]] == ["reused", None]
    assert len(model.calls_matching("Do a")) == 1


def test_a_fork_that_is_cancelled_before_it_starts_keeps_what_it_has(api, source):
    id = fork(api, source, from_step="b").json["execution"]["id"]
    assert api("POST", f"/executions/{id}/cancel").status_code == 202
    status = api.status(id)
    assert status["status"] == "cancelled"
    assert [step["output"] for step in status["steps"]] == ["ALPHA", None]
    again = fork(api, id).json["execution"]["id"]
    assert run(again) == "completed"
