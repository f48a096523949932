"""Submissions while the broker is down, does not answer, or is full."""

from __future__ import annotations

import json
import time
from base64 import b64decode

import pytest

from flask_crewexec.tasks import execution
from support.api_client import Api
from support.graphs import documents
from support.host_app import host
from support.message_lists import list_of
from support.servers.broker_faults import fail_to_save
from support.servers.broker_faults import FAULTS
from support.servers.broker_faults import fill
from support.servers.broker_faults import forbid
from support.servers.broker_faults import make_read_only
from support.servers.broker_faults import stall
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.redis]

PATIENCE = 5.0
"""Far more than the second that is promised, far less than clients' defaults of 20 s."""


@pytest.fixture
def redis_process(tmp_path):
    """A server of our own, since we stop it."""
    with RedisProcess(tmp_path / "redis", chosen_redis()) as process:
        yield process


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
class TestQueueing:
    def test_is_refused_quickly_and_stores_nothing(self, app, api, redis_process, fault, warm):
        graph = api.graph(documents.chain("a"))
        if warm:
            api.queue(documents.chain("b"))
        before = api("GET", "/executions").json["executions"]
        fault(redis_process)
        began = time.monotonic()
        answer = api("POST", "/executions", json={"graph_id": graph})
        took = time.monotonic() - began
        assert answer.status_code == 503, answer.json
        assert answer.json["code"] == "broker-unavailable"
        assert answer.headers["Retry-After"]
        assert took < PATIENCE
        assert api("GET", "/executions").json["executions"] == before
        event = app.extensions["crewexec"].models.event
        assert app.extensions["sqlalchemy"].session.query(event).count() == len(before)

    def test_a_retry_is_refused_and_changes_nothing(self, api, redis_process, fault, warm):
        id = api.queue(documents.chain("a"))
        api("POST", f"/executions/{id}/cancel", json={"reason": "not now"})
        if warm:
            api.queue(documents.chain("b"))
        before = api.status(id)
        fault(redis_process)
        answer = api("POST", f"/executions/{id}/retry")
        assert (answer.status_code, answer.json["code"]) == (503, "broker-unavailable")
        assert api.status(id) == before


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (stall, "did not answer in time"),
        (fill, "is full"),
        (make_read_only, "is a read-only replica"),
        (fail_to_save, "cannot save its data"),
        (forbid, "does not permit its user"),
    ],
)
class TestReasons:
    """The sentence of an error says why the broker accepts no message."""

    def test_are_told_to_the_caller(self, api, redis_process, fault, reason):
        graph = api.graph(documents.chain("a"))
        api.queue(documents.chain("b"))
        fault(redis_process)
        answer = api("POST", "/executions", json={"graph_id": graph})
        assert (answer.status_code, answer.json["code"]) == (503, "broker-unavailable")
        assert reason in answer.json["detail"]
        assert answer.json["detail"].endswith(" Nothing was queued. Try again in a moment.")

    @pytest.mark.settings(MAX_QUEUED_PER_USER=5, MAX_RUNNING_PER_USER=1)
    def test_are_told_for_executions_that_would_be_on_hold(self, api, redis_process, fault, reason):
        graph = api.graph(documents.chain("a"))
        for _ in range(2):
            api.queue(documents.chain("b"))
        fault(redis_process)
        answer = api("POST", "/executions", json={"graph_id": graph})
        assert answer.status_code == 503
        assert reason in answer.json["detail"]


def test_a_user_who_may_not_ask_about_the_server_can_queue(api, redis_process):
    with redis_process.client() as client:
        client.acl_setuser("default", enabled=True, commands=["-info"])
    api.queue(documents.chain("a"))


def test_nothing_is_stored_if_the_result_backend_cannot_be_used(app, api):
    graph = api.graph(documents.chain("a"))
    app.extensions["celery"].conf.result_backend = "nonsense://x"
    answer = api("POST", "/executions", json={"graph_id": graph})
    assert answer.status_code in (202, 500)
    executions = api("GET", "/executions").json["executions"]
    assert len(executions) == (1 if answer.status_code == 202 else 0)


def test_each_application_sends_to_its_own_broker(redis_process, database_url):
    """Celery binds a task's class to an app; ours must not share one."""
    apps = []
    for number in (1, 2):
        url = f"{redis_process.url[:-1]}{number}"
        config = {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url}
        config["SQLALCHEMY_DATABASE_URI"] = database_url
        apps.append(host.create_app(config))
    first, _ = apps
    with first.app_context():
        first.extensions["sqlalchemy"].create_all()
        api = Api(first.test_client(), "ada")
        api.queue(documents.chain("a"))
    with redis_process.client() as client:
        lengths = []
        for number in (1, 2):
            client.select(number)
            lengths.append(client.llen(list_of(5)))
    assert lengths == [1, 0]


class TestAfterwards:
    def test_submitting_works_again_when_the_broker_is_back(
        self, api, stranger, admin, redis_process
    ):
        stranger.queue(documents.chain("a"))
        redis_process.restart()
        id = api.queue(documents.chain("b"))
        assert api.status(id)["status"] == "queued"
        assert sum(admin("GET", "/queues").json["queues"]["crew_execution"].values()) == 1

    def test_a_message_that_arrives_late_runs_nothing(self, api, stranger, redis_process):
        """What was sent while the server stood still is read as soon as it goes on."""
        stranger.queue(documents.chain("a"))
        self.messages(redis_process, 1)
        graph = api.graph(documents.chain("b"))
        redis_process.suspend()
        answer = api("POST", "/executions", json={"graph_id": graph})
        redis_process.resume()
        assert answer.status_code == 503
        assert api("GET", "/executions").json["executions"] == []
        _, late = sorted(self.messages(redis_process, 2), key=lambda event: event["execution_id"])
        assert execution.handle(late)["outcome"] == "not-claimed"

    def messages(self, redis_process, count):
        """The events that wait in the queue."""
        with redis_process.client() as client:
            wait_until(lambda: client.llen(list_of(5)) == count, what="the messages")
            found = client.lrange(list_of(5), 0, -1)
        return [json.loads(b64decode(json.loads(message)["body"]))[0][0] for message in found]

    def test_health_reports_that_the_broker_is_unavailable(self, api, admin, redis_process):
        redis_process.stop()
        answer = api("GET", "/health/ready")
        assert answer.status_code == 503
        assert answer.json["checks"]["broker"] == "no answer"
        assert answer.json["checks"]["database"] == "ok"
        queues = admin("GET", "/queues")
        assert (queues.status_code, queues.json["code"]) == (503, "broker-unavailable")
