"""Both clients for Python, a web server, and what they ask of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flask_crewexec.client import Client
from support.python_clients import client_of
from support.python_clients import Connect
from support.servers.cutting_proxy import CuttingProxy
from support.servers.gunicorn import Gunicorn


@pytest.fixture
def server(start_server) -> Gunicorn:
    return start_server("--worker-class=gthread", "--threads=8")


@pytest.fixture
def proxy(server) -> Iterator[CuttingProxy]:
    with CuttingProxy(server.url) as proxy:
        yield proxy


@pytest.fixture
def kind() -> str:
    """Which client is meant; what tells them apart is tested with ``each_client``."""
    return "sync"


@pytest.fixture
def connect(kind) -> Iterator[Connect]:
    """A function that returns a client, in the name of 'ada' by default."""
    clients = []

    def connect(url: str, **options) -> Client:
        options = {"headers": {"X-User": "ada"}, **options}
        clients.append(client_of(kind)(f"{url}/crewexec", **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def crews(connect, server) -> Client:
    """A client of the server."""
    return connect(server.url)


@pytest.fixture
def gate(model) -> Iterator[threading.Event]:
    """Holds the first answer of task 'a' back until it is set."""
    gate = threading.Event()
    model.on("Do a", hold=gate)
    yield gate
    gate.set()
