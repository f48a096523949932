"""A failover behind one address: the old primary lives on as a replica, and keeps its clients."""

from __future__ import annotations

import uuid

import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.messaging import event_publisher
from flask_crewexec.messaging.broker import check_broker
from flask_crewexec.messaging.publishing import publish_delivery_request
from support.api_client import Api
from support.graphs import documents
from support.message_lists import list_of
from support.servers.broker_faults import make_read_only
from support.servers.cutting_proxy import CuttingProxy
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.redis]


@pytest.fixture
def servers(tmp_path):
    with (
        RedisProcess(tmp_path / "old", chosen_redis()) as old,
        RedisProcess(tmp_path / "new", chosen_redis()) as new,
    ):
        yield old, new


@pytest.fixture
def address(servers):
    with CuttingProxy(servers[0].url) as proxy:
        yield proxy


@pytest.fixture
def broker_url(address):
    return f"{address.url.replace('http', 'redis')}/0"


@pytest.fixture
def fail_over(servers, address):
    """Demote the old primary, and let the address lead to the new one."""

    def fail_over():
        old, new = servers
        make_read_only(old)
        address.lead_to(new.url)

    return fail_over


@pytest.fixture
def primary(servers):
    """A client of the new primary."""
    with servers[1].client() as client:
        yield client


def test_the_next_submission_reaches_the_new_primary(client, fail_over, primary):
    Api(client, "ada").queue(documents.chain("a"))
    fail_over()
    Api(client, "bob").queue(documents.chain("a"))  # of one user only one message waits
    assert primary.llen(list_of(5)) == 1


def test_the_next_check_finds_that_it_can_write(app, fail_over, primary):
    check_broker(current_app_state())
    fail_over()
    check_broker(current_app_state())
    assert primary.exists("crewexec:probe")


def test_the_next_request_for_deliveries_reaches_the_new_primary(app, fail_over, primary):
    publish_delivery_request(current_app_state())
    fail_over()
    publish_delivery_request(current_app_state())
    assert primary.llen("cleanup") == 1


@pytest.mark.settings(REQUESTS_PER_MINUTE=2)
def test_requests_are_counted_by_the_new_primary(api, fail_over):
    assert api("GET", "/executions").status_code == 200
    fail_over()
    answers = [api("GET", "/executions").status_code for _ in range(3)]
    assert answers == [200, 200, 429]


def test_announcements_reach_the_subscribers_of_the_new_primary(app, fail_over, primary):
    id = uuid.uuid4()
    event_publisher.publish_tokens(id, {"text": "before"})
    event_publisher.flush()
    fail_over()
    with primary.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(f"{event_publisher.CHANNEL_PREFIX}{id}")
        pubsub.get_message(timeout=5.0)  # the subscription
        event_publisher.publish_tokens(id, {"text": "after"})
        event_publisher.flush()
        assert pubsub.get_message(timeout=5.0)["data"] == '{"text": "after"}'
