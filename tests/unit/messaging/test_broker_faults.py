"""What the errors of a broker are taken for."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError
from redis.exceptions import TimeoutError

from flask_crewexec.errors import BrokerUnavailable
from flask_crewexec.messaging.broker_faults import ClusterFound
from flask_crewexec.messaging.broker_faults import fault_of

REPLIES = {
    "OOM command not allowed when used memory > 'maxmemory'.": "full",
    "READONLY You can't write against a read only replica.": "read-only",
    "UNBLOCKED force unblock from blocking operation, instance state changed": "read-only",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is 'no'.": "read-only",
    "MOVED 866 127.0.0.1:7001": "cluster",
    "ASK 866 127.0.0.1:7001": "cluster",
    "CLUSTERDOWN Hash slot not served": "cluster",
    "CROSSSLOT Keys in request don't hash to the same slot": "cluster",
    "MISCONF Valkey is configured to save RDB snapshots, but cannot": "not saving",
    "NOREPLICAS Not enough good replicas to write.": "too few replicas",
    "NOPERM User default has no permissions to run the 'lpush' command": "no permission",
    "NOAUTH Authentication required.": "not signed in",
    "WRONGPASS invalid username-password pair or user is disabled.": "not signed in",
    "LOADING Valkey is loading the dataset in memory": "loading",
    "ERR max number of clients reached": "too many clients",
    "BUSY Valkey is busy running a script.": "refused",
}


def reply(text):
    """The error that redis-py makes of a server's reply."""
    return BaseParser.parse_error(text)


@pytest.mark.parametrize("text", REPLIES)
def test_replies_of_the_server(text):
    assert fault_of(reply(text)).code == REPLIES[text]


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionError("Error 111"), OSError()])
def test_silence(error):
    assert fault_of(error).code == "no answer"


def test_errors_that_kombu_and_we_have_raised_from_it():
    wrapped = OperationalError("OOM")
    wrapped.__cause__ = reply("OOM no room")
    error = BrokerUnavailable("The message broker is full.")
    error.__cause__ = wrapped
    assert fault_of(error).code == "full"


def test_a_cluster_that_was_found_by_asking():
    assert fault_of(ClusterFound()).code == "cluster"
