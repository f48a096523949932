"""Messages that are lost or doubled, and a broker that dies, hangs or fills up meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_crewexec.messaging import event_publisher
from flask_crewexec.messaging.broker import queue_depths
from flask_crewexec.tasks import cleanup
from flask_crewexec.tasks import execution
from support.api_client import Api
from support.graphs import documents
from support.host_app import host
from support.message_lists import list_of
from support.paths import TESTS
from support.servers.broker_faults import empty
from support.servers.broker_faults import FAULTS
from support.servers.broker_faults import fill
from support.servers.broker_faults import make_read_only
from support.servers.broker_faults import promote
from support.servers.broker_faults import stall
from support.servers.processes import free_port
from support.servers.processes import StartFailed
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.settings(LEASE_SECONDS=60.0)]

both_pools = pytest.mark.parametrize("pool", ["prefork", "threads"])

QUEUE = list_of(5)
"""The list of the default priority."""
CLUSTER = "redis+cluster://host1:port,host2:port"


@pytest.fixture
def redis_process(tmp_path):
    """A server of our own, since we stop it."""
    with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
        yield process


@pytest.fixture
def api(client):
    """Somebody who sees the executions of all."""
    return Api(client, host.ADMIN)


@pytest.fixture
def queue(client):
    """Queue as many executions, each of another user: of one user only one message waits."""
    return lambda count: [Api(client, f"u{n}").queue(documents.chain("a")) for n in range(count)]


@pytest.fixture
def waiting(app):
    """The number of messages that wait for a worker."""
    return lambda: sum(queue_depths(app.extensions["crewexec"])["crew_execution"].values())


def drop_messages(redis_process):
    with redis_process.client() as client:
        client.delete(QUEUE)


def double_messages(redis_process):
    with redis_process.client() as client:
        copies = client.lrange(QUEUE, 0, -1)
        client.lpush(QUEUE, *copies)


def run_all(ids):
    return [execution.handle({"execution_id": id})["outcome"] for id in ids]


def settled(settle, ids):
    return [settle(id)["attempt"] for id in ids]


def republish(reconcile, count):
    """Reconcile until as many messages were sent again."""
    sent = []

    def all_sent():
        sent.append(reconcile()["republished"])
        return sum(sent) >= count

    wait_until(all_sent, what="the messages")
    assert sum(sent) == count


class TestMessages:
    def test_those_that_were_lost_are_sent_again(
        self, queue, model, redis_process, reconcile, waiting, settle, start_worker
    ):
        ids = queue(3)
        drop_messages(redis_process)
        republish(reconcile, 3)
        assert waiting() == 3
        start_worker(pool="threads")
        assert settled(settle, ids) == [1, 1, 1]
        assert len(model.calls) == 3

    @pytest.mark.settings(REPUBLISH_AFTER=0.001)
    def test_those_that_wait_are_not_doubled(self, queue, reconcile, waiting):
        queue(5)
        assert [reconcile()["republished"] for _ in range(10)] == [0] * 10
        assert waiting() == 5

    def test_those_that_come_twice_run_once(
        self, queue, model, redis_process, settle, start_worker, waiting
    ):
        ids = queue(4)
        double_messages(redis_process)
        assert waiting() == 8
        start_worker(pool="threads", concurrency=4)
        assert settled(settle, ids) == [1] * 4
        wait_until(lambda: waiting() == 0, what="an empty queue")
        assert len(model.calls) == 4


class TestReconcilers:
    @pytest.mark.settings(REPUBLISH_AFTER=3.0)  # longer than both rounds take on a busy machine
    def test_two_at_once_send_each_lost_message_as_often_as_it_is_needed(
        self, app, queue, model, redis_process, waiting, reconcile
    ):
        ids = queue(3)
        drop_messages(redis_process)
        republish(lambda: self.round_of_two(app), 3)
        assert waiting() == 3
        assert run_all(ids) == ["completed"] * 3
        assert len(model.calls) == 3

    def round_of_two(self, app):
        start = threading.Barrier(2)

        def one(_):
            with app.app_context():
                start.wait()
                return cleanup.handle({"action": "reconcile"})["republished"]

        with ThreadPoolExecutor(2) as pool:
            return {"republished": sum(pool.map(one, range(2)))}


class TestAcceptingWithoutBroker:
    @pytest.mark.settings(ACCEPT_WITHOUT_BROKER=True)
    def test_executions_queued_during_an_outage_run_afterwards(
        self, api, model, redis_process, reconcile, waiting, start_worker, settle
    ):
        redis_process.stop()
        id = api.queue(documents.chain("a"))
        assert reconcile()["republished"] == 0
        assert api.status(id)["status"] == "queued"
        redis_process.start()
        republish(reconcile, 1)
        assert waiting() == 1
        start_worker(pool="threads")
        assert settle(id)["attempt"] == 1
        assert len(model.calls) == 1


class TestWorker:
    @both_pools
    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_run_that_is_under_way_completes_while_the_broker_is_away(
        self, api, model, redis_process, start_worker, fault, pool
    ):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        start_worker(pool=pool)
        id = api.queue(documents.chain("a", "b"))
        model.wait_for_calls(1)
        fault(redis_process)
        gate.set()
        wait_until(lambda: api.status(id)["status"] == "completed", what="the end of the run")
        assert len(model.calls) == 2
        redis_process.resume() if fault is stall else None

    @both_pools
    def test_a_worker_takes_up_its_work_when_the_broker_comes_back_empty(
        self, api, model, redis_process, start_worker, settle, pool
    ):
        worker = start_worker(pool=pool)
        settle(api.queue(documents.chain("a")))
        redis_process.kill()
        redis_process.restart()
        id = api.queue(documents.chain("b"))
        assert settle(id)["attempt"] == 1
        assert worker.running
        assert len(model.calls_matching("Do b")) == 1

    def test_the_result_backend_is_not_needed(self, api, model, environment, start_worker, settle):
        environment["CELERY_RESULT_BACKEND"] = f"redis://127.0.0.1:{free_port()}/0"
        start_worker(pool="threads")
        ids = [api.queue(documents.chain("a")) for _ in range(2)]
        assert settled(settle, ids) == [1, 1]
        assert len(model.calls) == 2

    @both_pools
    def test_a_worker_survives_a_broker_that_is_demoted(
        self, api, model, redis_process, start_worker, settle, pool
    ):
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate)
        worker = start_worker(pool=pool, concurrency=2)
        id = api.queue(documents.chain("a"))
        model.wait_for_calls(1)
        make_read_only(redis_process)
        wait_until(lambda: "read only replica" in worker.log_text(), what="the loss of the broker")
        promote(redis_process)
        gate.set()
        assert settle(id)["attempt"] == 1
        settle(api.queue(documents.chain("b")))
        assert worker.running
        assert len(model.calls_matching("Do a")) == 1

    def test_a_message_that_a_full_broker_has_lost_is_sent_again(
        self, api, queue, model, redis_process, start_worker, waiting, settle
    ):
        """The worker takes it from its list, and has no room to note that it has."""
        gate = threading.Event()
        model.on("Do a", "ALPHA", hold=gate, times=1)
        worker = start_worker(pool="threads")
        first, second = queue(2)
        model.wait_for_calls(1)
        fill(redis_process)
        gate.set()
        wait_until(lambda: waiting() == 0, what="the worker to take the message")
        wait_until(lambda: "maxmemory" in worker.log_text(), what="the error")
        assert api.status(second)["status"] == "queued"
        empty(redis_process)
        assert settled(settle, [first, second]) == [1, 1]
        assert worker.running
        assert len(model.calls) == 2


class TestCluster:
    @pytest.fixture
    def redis_process(self, tmp_path):
        with RedisProcess(tmp_path / "redis", chosen_redis(), cluster=True) as process:
            with process.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            yield process

    def test_orders_are_refused(self, api):
        answer = api("POST", "/executions", json={"graph_id": api.graph(documents.chain("a"))})
        assert (answer.status_code, answer.json["code"]) == (503, "broker-unavailable")
        assert "node of a Redis Cluster" in answer.json["detail"]
        assert api("GET", "/executions").json["executions"] == []

    def test_a_worker_ends_even_if_it_had_to_wait_for_the_cluster(
        self, app, redis_process, start_worker, tmp_path
    ):
        log = tmp_path / "worker0.log"
        redis_process.stop()
        with ThreadPoolExecutor(1) as pool:
            start = pool.submit(start_worker, pool="threads")
            wait_until(lambda: log.exists() and "Cannot connect" in log.read_text(), what="the log")
            redis_process.start()
            with pytest.raises(StartFailed, match="ended with status 1"):
                start.result()
        assert CLUSTER in log.read_text()


DIES_BEFORE_PUBLISHING = """
import json, os, signal, sys
from support.host_app import host
from support.api_client import Api
from flask_crewexec.scheduling import delivery

delivery.publish_attempt = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
order = json.loads(sys.argv[1])
Api(host.create_app().test_client(), host.ADMIN)("POST", "/executions", json=order)
"""


class TestKilledWebServer:
    def test_what_it_had_stored_but_not_announced_runs_once(
        self, api, model, environment, waiting, reconcile, start_worker, settle
    ):
        self.die_while_queueing(environment, api.graph(documents.chain("a")))
        (stored,) = api("GET", "/executions").json["executions"]
        assert (stored["status"], waiting()) == ("queued", 0)
        republish(reconcile, 1)
        start_worker(pool="threads")
        assert settle(stored["id"])["attempt"] == 1
        assert len(model.calls) == 1

    def die_while_queueing(self, environment, graph):
        """Be a web server that is killed between its commit and its message."""
        command = [sys.executable, "-c", DIES_BEFORE_PUBLISHING, json.dumps({"graph_id": graph})]
        variables = {
            **os.environ,
            **environment,
            "PYTHONPATH": str(TESTS),
        }
        done = subprocess.run(command, env=variables, check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL


def test_an_absent_broker_takes_one_line_in_the_log_of_who_announces(app, redis_process, caplog):
    redis_process.stop()
    event_publisher.publish_tokens(uuid.uuid4(), {"text": "a word"})
    event_publisher.flush()
    wait_until(lambda: caplog.messages, what="the line")
    (record,) = (each for each in caplog.records if each.name == event_publisher.__name__)
    assert "announcements" in record.message
    assert record.exc_info is None
