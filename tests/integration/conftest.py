"""pytest-celery's set-up over local processes: our host, its worker, one server for both ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from flask import Flask
from pytest_celery import RedisTestBackend
from pytest_celery import RedisTestBroker

from support.paths import TESTS
from support.servers.browser import Browser
from support.servers.celery_nodes import LocalRedis
from support.servers.celery_nodes import LocalWorker
from support.servers.celery_nodes import StartWorker
from support.servers.forked_processes import ForkServer
from support.servers.gunicorn import Gunicorn
from support.servers.redis_process import RedisProcess
from support.stored_events import check_stored_events


@pytest.fixture(autouse=True)
def _events_fit_the_catalogue(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check the events that the test has stored, whatever the test is about."""
    app = request.getfixturevalue("app") if "app" in request.fixturenames else None
    yield
    if app is not None:
        check_stored_events(app)


@pytest.fixture
def celery_broker(redis_process: RedisProcess) -> RedisTestBroker:
    return RedisTestBroker(LocalRedis(redis_process, "broker"))


@pytest.fixture
def celery_backend(redis_process: RedisProcess) -> RedisTestBackend:
    return RedisTestBackend(LocalRedis(redis_process, "backend"))


@pytest.fixture
def celery_setup_app(app: Flask) -> Celery:
    return app.extensions["celery"]


@pytest.fixture
def celery_worker(start_worker: StartWorker, celery_setup_app: Celery) -> LocalWorker:
    return LocalWorker(start_worker(), celery_setup_app)


@pytest.fixture
def browser(new_browser: Browser) -> Iterator[Browser]:
    new_browser.look()
    yield new_browser
    refused = [line for line in new_browser.errors() if "Content Security Policy" in line]
    assert refused == []


StartServer = Callable[..., Gunicorn]


@pytest.fixture
def start_server(
    app: Flask, environment: dict[str, str], tmp_path: Path, fork_server: ForkServer
) -> Iterator[StartServer]:
    """A function that starts a web server of the host and waits until it is ready."""
    with contextlib.ExitStack() as stack:

        def start(*options: str) -> Gunicorn:
            variables = {**environment, "PYTHONPATH": str(TESTS)}
            forks = None if any("gevent" in option for option in options) else fork_server
            server = Gunicorn(tmp_path, variables, *options, fork_server=forks)
            return stack.enter_context(server)

        yield start
