"""Messages are pushed over connections that stay open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis
from kombu.transport.redis import PrefixedStrictRedis

from flask_crewexec.messaging.kept_clients import KeptClients

pytestmark = pytest.mark.redis

FORK = """
import os
import sys

import redis

from flask_crewexec.messaging.kept_clients import KeptClients

client, kept = redis.Redis.from_url(sys.argv[1]), KeptClients()
kept.push(client, "list", "parent")
child = os.fork()
for _ in range(200):
    kept.push(client, "list", "parent" if child else "child")
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.fixture
def client(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url, decode_responses=True, socket_timeout=5) as client:
        yield client


def connections(client: redis.Redis) -> set[str]:
    return {connection["id"] for connection in client.client_list()}


def test_they_share_a_connection(client):
    kept = KeptClients()
    before = client.info("stats")["total_connections_received"]
    for number in range(20):
        kept.push(client, "list", str(number))
    assert client.info("stats")["total_connections_received"] == before + 1
    assert client.lrange("list", 0, -1) == [str(number) for number in reversed(range(20))]


def test_a_connection_that_was_closed_is_replaced(client):
    kept = KeptClients()
    others = connections(client)
    kept.push(client, "list", "a")
    for id in connections(client) - others:
        client.client_kill_filter(_id=id)
    kept.push(client, "list", "b")
    assert client.lrange("list", 0, -1) == ["b", "a"]


def test_an_error_is_raised(client):
    kept = KeptClients()
    kept.push(client, "list", "a")
    client.set("text", "")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        kept.push(client, "text", "b")
    kept.push(client, "list", "b")
    assert client.llen("list") == 2


def test_a_prefix_is_not_forgotten(client):
    pool = client.connection_pool
    with PrefixedStrictRedis(global_keyprefix="host:", connection_pool=pool) as prefixed:
        KeptClients().push(prefixed, "list", "a")
    assert client.lrange("host:list", 0, -1) == ["a"]


def test_a_forked_process_has_connections_of_its_own(client, broker_url):
    subprocess.run([sys.executable, "-c", FORK, broker_url], check=True, timeout=60)
    found = client.lrange("list", 0, -1)
    assert (found.count("parent"), found.count("child")) == (201, 200)
