"""Which node of a cluster is asked, and which address its answer names."""

from __future__ import annotations

import pytest
from kombu.connection import Connection
from redis import exceptions

from flask_crewexec.messaging.broker_faults import fault_of
from flask_crewexec.messaging.cluster import ClusterNodes
from flask_crewexec.messaging.cluster import connection_options
from flask_crewexec.messaging.cluster import NoPrimary
from flask_crewexec.messaging.transport_aliases import use_our_transports

A, B, C = ("a", 1), ("b", 2), ("c", 3)


def slots(*servers):
    """An answer in which the second half of the slots, with ours, belongs to *servers*."""
    ours = [[host, port, b"id"] for host, port in servers]
    return [[0, 8191, [b"x", 9, b"id"]], [8192, 16383, *ours]]


class Cluster:
    """Answers by address; what is missing cannot be reached."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def ask(self, address):
        self.asked.append(address[0])
        if address[0] not in self.answers:
            raise exceptions.ConnectionError
        return self.answers[address[0]]


@pytest.fixture
def nodes():
    return ClusterNodes([A, B], "{crewexec}:")


def test_any_node_names_the_primary(nodes):
    assert nodes.find_primary(Cluster(a=slots((b"b", 2))).ask) == B


def test_a_node_that_does_not_know_its_host_is_the_one_that_was_asked(nodes):
    assert nodes.find_primary(Cluster(a=slots((b"", 7))).ask) == ("a", 7)


def test_nodes_that_do_not_answer_are_asked_last_from_then_on(nodes):
    cluster = Cluster(b=slots((b"b", 2)))
    nodes.find_primary(cluster.ask)
    nodes.find_primary(cluster.ask)
    assert cluster.asked == ["a", "b", "b"]


def test_nodes_that_others_have_named_are_asked_too(nodes):
    nodes.find_primary(Cluster(a=slots((b"b", 2), (b"c", 3))).ask)
    assert nodes.find_primary(Cluster(c=slots((b"c", 3))).ask) == C


def test_a_node_that_may_be_out_of_date_is_asked_last(nodes):
    cluster = Cluster(a=slots((b"b", 2)), b=slots((b"c", 3)))
    nodes.find_primary(cluster.ask)
    nodes.distrust()
    nodes.find_primary(cluster.ask)
    assert cluster.asked[0] == "a"
    assert cluster.asked[1] != "a"


def test_without_any_answer_there_is_no_primary(nodes):
    with pytest.raises(NoPrimary) as error:
        nodes.find_primary(Cluster(a=[[0, 8191, [b"a", 1, b"id"]]]).ask)
    assert fault_of(error.value).code == "no primary"


class TestUrl:
    def test_credentials_and_nodes_are_read(self):
        options = connection_options("cluster://ada:pass%40word@a/?nodes=[::1]:2,b", "{c}:")
        assert (options["username"], options["password"]) == ("ada", "pass@word")
        asked = Cluster()
        with pytest.raises(NoPrimary):
            options["cluster"].find_primary(lambda node: asked.ask((node,)))
        assert asked.asked == [("a", 6379), ("::1", 2), ("b", 6379)]

    def test_it_is_shown_without_its_password(self):
        use_our_transports()
        shown = Connection("redis+cluster://:secret@a:1,b:2/0").as_uri()
        assert shown.startswith("redis+cluster://")
        assert "secret" not in shown
