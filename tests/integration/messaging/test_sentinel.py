"""A broker behind Redis Sentinel, whose server dies during work."""

from __future__ import annotations

import contextlib
import json
import threading

import httpx
import pytest
import redis

from support.graphs import documents
from support.servers.processes import free_port
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis
from support.servers.sentinel import MASTER_NAME
from support.servers.sentinel import PASSWORD
from support.servers.sentinel import SentinelProcess
from support.sse_client import parse

pytestmark = [
    pytest.mark.sqlite_enough,
    pytest.mark.redis,
    pytest.mark.settings(RECONCILE_INTERVAL=0.5, REPUBLISH_AFTER=1.0),
    pytest.mark.skipif(
        int(redis.__version__.partition(".")[0]) < 8,
        reason="results get lost with redis-py before 8: docs/howto/sentinel.rst",
    ),
]

PASSWORD_OF_REDIS = "for-redis-only"


@pytest.fixture
def servers(tmp_path):
    """A server, its replica, and the Sentinel of both."""
    with contextlib.ExitStack() as stack:
        server = chosen_redis()
        master, replica = (
            stack.enter_context(RedisProcess(tmp_path / name, server, password=PASSWORD_OF_REDIS))
            for name in ("master", "replica")
        )
        with replica.client() as client:
            client.config_set("masterauth", PASSWORD_OF_REDIS)
            client.replicaof("127.0.0.1", master.port)
        sentinel = stack.enter_context(SentinelProcess(tmp_path / "sentinel", server, master))
        wait_until(lambda: sentinel.knows_replica(replica), what="the replica")
        yield master, replica, sentinel


@pytest.fixture
def broker_url(servers):
    """The addresses of Sentinels, of which the first does not answer."""
    password = f":{PASSWORD_OF_REDIS}@"
    ports = (free_port(), servers[2].port)
    return ";".join(f"sentinel://{password}127.0.0.1:{port}" for port in ports)


@pytest.fixture
def environment(environment):
    options = {"master_name": MASTER_NAME, "sentinel_kwargs": {"password": PASSWORD}}
    names = ("broker_transport_options", "result_backend_transport_options")
    return {**environment, "HOST_CELERY": json.dumps(dict.fromkeys(names, options))}


def reconcile(app):
    event = {"action": "reconcile"}
    return app.extensions["celery"].send_task("crewexec.cleanup", (event,), ignore_result=False)


def test_executions_events_and_results_survive_a_failover(
    servers, app, start_worker, start_server, api, model
):
    master, replica, sentinel = servers
    gate = threading.Event()
    model.on("Do first", hold=gate).on("Do b", "BETA")
    server = start_server("--worker-class=gthread", "--threads=4")
    start_worker(pool="threads", options=("--beat",))
    assert "retried" in reconcile(app).get(timeout=30)
    wait_until(lambda: api("GET", "/health/ready").status_code == 200, what="readiness")
    running = api.queue(documents.chain("first", "b"))
    model.wait_for_calls(1)
    url = f"{server.url}/crewexec/executions/{running}/events"
    headers = {"X-User": "ada", "Accept": "text/event-stream"}
    with httpx.stream("GET", url, headers=headers, timeout=60, trust_env=False) as answer:
        master.kill()
        wait_until(lambda: sentinel.master_port() == replica.port, what="the failover")
        gate.set()
        assert list(parse(answer.iter_lines()))[-1].type == "end"
    assert api.status(running)["result"]["raw"] == "BETA"
    graph_id = api.graph(documents.chain("b"))
    order = {"graph_id": graph_id}
    answers = []

    def is_accepted():
        answers.append(api("POST", "/executions", json=order))
        return answers[-1].status_code == 202

    wait_until(is_accepted, what="an execution to be accepted")
    queued = answers[-1].json["id"]
    wait_until(lambda: api.status(queued)["status"] == "completed", what="the execution")
    assert "retried" in reconcile(app).get(timeout=30)
