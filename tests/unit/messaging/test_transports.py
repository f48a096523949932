"""In which list a message goes, and which transport a connection has."""

from __future__ import annotations

import pytest
from kombu.connection import Connection
from kombu.transport import memory
from kombu.transport import redis

from flask_crewexec.messaging.queues import DEFAULT_SEPARATOR
from flask_crewexec.messaging.transport_aliases import use_our_transports
from flask_crewexec.messaging.transports import SentinelTransport
from flask_crewexec.messaging.transports import Transport


def test_the_separator_is_that_of_kombu():
    assert redis.Channel.sep == DEFAULT_SEPARATOR


class TestConnection:
    @pytest.fixture(autouse=True)
    def _use_our_transports(self):
        use_our_transports()

    @pytest.mark.parametrize(
        ("url", "transport"),
        [
            ("redis://host:1/0", Transport),
            ("rediss://host:1/0", Transport),
            ("redis+socket:///redis.sock", Transport),
            ("sentinel://host:1/0", SentinelTransport),
        ],
    )
    def test_has_our_transport(self, url, transport):
        assert Connection(url).get_transport_cls() is transport
        with Connection(url).Pool(1).acquire() as pooled:
            assert pooled.get_transport_cls() is transport

    def test_keeps_it_when_it_switches_to_another_address(self):
        connection = Connection("sentinel://a:1/0;sentinel://b:2/0")
        connection.maybe_switch_next()
        assert connection.hostname == "b"
        assert connection.get_transport_cls() is SentinelTransport

    def test_leaves_other_transports_as_they_are(self):
        assert Connection("memory://").get_transport_cls() is memory.Transport
