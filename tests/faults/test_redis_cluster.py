"""A broker in a Redis Cluster whose primary dies, changes or loses its slot during work."""

from __future__ import annotations

import threading
import uuid

import pytest
import redis

from flask_crewexec.messaging.event_publisher import publish_tokens
from flask_crewexec.messaging.event_subscriber import subscribers
from support.graphs import documents
from support.servers.processes import wait_until
from support.servers.redis_cluster import RedisCluster
from support.servers.redis_servers import chosen_redis

pytestmark = [
    pytest.mark.sqlite_enough,
    pytest.mark.settings(RECONCILE_INTERVAL=0.5, REPUBLISH_AFTER=1.0, REQUESTS_PER_MINUTE=100_000),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with RedisCluster(tmp_path_factory.mktemp("cluster"), chosen_redis()) as cluster:
        yield cluster


@pytest.fixture
def broker_url(cluster):
    cluster.heal()
    return cluster.url


class Orders(threading.Thread):
    """Queues executions one after the other, some of which are refused."""

    def __init__(self, app, api, graph_id):
        super().__init__()
        self._app, self._api, self._order = app, api, {"graph_id": graph_id}
        self._stopped = threading.Event()
        self.accepted = []
        self.codes = set()

    def run(self):
        with self._app.app_context():
            while not self._stopped.is_set():
                answer = self._api("POST", "/executions", json=self._order)
                self.codes.add(answer.status_code)
                if answer.status_code == 202:
                    self.accepted.append(answer.json["id"])

    def stop(self):
        self._stopped.set()
        self.join()


FAULTS = (RedisCluster.kill_primary, RedisCluster.fail_over, RedisCluster.move_slot)


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_or_done_twice(fault, cluster, app, admin, api, model, start_worker):
    start_worker(pool="threads", concurrency=4, options=("--beat",))
    orders = Orders(app, admin, admin.graph(documents.chain("a")))
    orders.start()
    wait_until(lambda: len(orders.accepted) >= 5, what="orders before the fault")
    fault(cluster)
    before = len(orders.accepted)
    wait_until(lambda: len(orders.accepted) >= before + 5, what="orders after the fault")
    orders.stop()
    assert orders.codes <= {202, 503}
    wait_until(lambda: statuses(admin) == {"completed"}, what="the executions")
    assert len(model.calls) == len(orders.accepted)
    assert admin("GET", "/health/ready").status_code == 200
    assert "retried" in reconcile(app).get(timeout=30)
    wait_for_announcement()
    wait_until(lambda: worker_answers(app), what="an answer of the worker")
    assert {key.partition(":")[0] for key in cluster.all_keys()} == {"{crewexec}"}


@pytest.mark.settings(REQUESTS_PER_MINUTE=2)
def test_requests_are_counted(api):
    assert [api("GET", "/executions").status_code for _ in range(3)] == [200, 200, 429]


def reconcile(app):
    event = {"action": "reconcile"}
    return app.extensions["celery"].send_task("crewexec.cleanup", (event,), ignore_result=False)


def worker_answers(app):
    """Ask over a pooled connection, which may still lead to the old primary."""
    try:
        return bool(app.extensions["celery"].control.inspect(timeout=10, limit=1).ping())
    except redis.ConnectionError:
        return False


def wait_for_announcement():
    """Publish until a subscriber hears it; after a failure nothing is published for a while."""
    id, heard = uuid.uuid4(), []

    def is_heard():
        publish_tokens(id, {"text": "hello"})
        heard.extend(subscription.wait(0.2))
        return (id, {"text": "hello"}) in heard

    with subscribers.current().subscribe(id) as subscription:
        wait_until(is_heard, what="an announcement")


def statuses(api):
    return {each["status"] for each in api("GET", "/executions").json["executions"]}
