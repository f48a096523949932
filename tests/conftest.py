"""Real parts for the tests: a Redis-compatible server, databases, a scripted model, workers."""

from __future__ import annotations

import gc
import json
import signal
import typing as t
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from flask_crewexec.testing import ScriptedModel
from support import databases
from support.api_client import Api
from support.compiled_once import make_hosts_quickly
from support.host_app import host
from support.in_process import close_connections
from support.in_process import end_of_watch
from support.paths import TESTS
from support.servers.browser import Browser
from support.servers.browser import chromium
from support.servers.browser import require_chromium
from support.servers.celery_nodes import StartWorker
from support.servers.celery_nodes import WorkerProcess
from support.servers.forked_processes import ForkServer
from support.servers.forked_processes import ForkServerProcess
from support.servers.postgres import postgres_server
from support.servers.postgres import PostgresProcess
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis
from support.tables import create_tables

collect_ignore: t.Final = ["fixtures"]
"""Test suites of applications, which run in processes of their own."""
FORK_SERVER: t.Final = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="Write the screenshots of the documentation into docs/_static.",
    )


def pytest_configure(config: pytest.Config) -> None:
    let_sigint_end_processes()
    make_hosts_quickly()
    if hasattr(config, "workerinput"):
        config.stash[FORK_SERVER] = config.workerinput["fork_server"]
        return
    server = ForkServerProcess()
    config.add_cleanup(server.stop)
    config.stash[FORK_SERVER] = server.address


def let_sigint_end_processes() -> None:
    """Let SIGINT end the processes that tests start.

    A shell starts background jobs with SIGINT ignored, which their children inherit.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure_node(node: t.Any) -> None:
    """Share one fork server between the workers of pytest-xdist."""
    node.workerinput["fork_server"] = node.config.stash[FORK_SERVER]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without looking for garbage, and never look at what was imported: it stays.

    This halves the time that each process takes until its first test.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# The machine may be slow, and a graph takes many draws.
hypothesis_settings.register_profile(
    "all",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
hypothesis_settings.register_profile("few", hypothesis_settings.get_profile("all"), max_examples=10)
hypothesis_settings.load_profile("all")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames:
        databases.parametrize(metafunc)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs no server, so that environments can choose it."""
    for item in items:
        if item.path.is_relative_to(TESTS / "unit"):
            item.add_marker("unit")


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path_factory.mktemp("redis"), chosen_redis()) as process:
        yield process


@pytest.fixture
def broker_url(redis_process: RedisProcess) -> str:
    """A broker without messages."""
    with redis_process.client() as client:
        # kombu remembers which bindings it has made, so these must stay.
        stale = [key for key in client.scan_iter() if not key.startswith("_kombu")]
        if stale:
            client.delete(*stale)
    return redis_process.url


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    with postgres_server() as process:
        yield process


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/host.sqlite"


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of the kinds that the test's markers ask for."""
    if request.param == "sqlite":
        return t.cast(str, request.getfixturevalue("sqlite_url"))
    return t.cast(PostgresProcess, request.getfixturevalue("postgres")).fresh_schema_url()


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(host.KEY) as model:
        yield model


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, object]:
    """Settings of the host: those of the markers ``settings``, the nearest last."""
    given: dict[str, object] = {}
    for marker in reversed(list(request.node.iter_markers("settings"))):
        given.update({f"CREWEXEC_{name}": value for name, value in marker.kwargs.items()})
    return given


@pytest.fixture
def environment(
    database_url: str, broker_url: str, model: ScriptedModel, settings: dict[str, object]
) -> dict[str, str]:
    """What the host and its workers read."""
    return {
        **{f"HOST_{key}": json.dumps(value) for key, value in settings.items()},
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": broker_url,
        "CELERY_RESULT_BACKEND": broker_url,
        "MODEL_URL": model.base_url,
    }


@pytest.fixture
def app(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The host with its tables, within its application context."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = host.create_app()
    with app.app_context():
        create_tables(host.db.engine)
        yield app
        host.db.session.remove()
        end_of_watch()
        close_connections(host.db.engine)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def api(client: FlaskClient) -> Api:
    return Api(client, "ada")


@pytest.fixture
def stranger(client: FlaskClient) -> Api:
    return Api(client, "mallory")


@pytest.fixture
def admin(client: FlaskClient) -> Api:
    return Api(client, host.ADMIN)


@pytest.fixture
def notes(app: Flask) -> Callable[[], Counter[str]]:
    """A function that returns the notes that tools have written, and removes them."""

    def notes() -> Counter[str]:
        session = app.extensions["sqlalchemy"].session
        found = session.execute(sa.text("select text from note")).scalars().all()
        session.execute(sa.text("delete from note"))
        session.commit()
        return Counter(text.removeprefix("ada: ") for text in found)

    return notes


@pytest.fixture(scope="session")
def fork_server(pytestconfig: pytest.Config) -> ForkServer:
    """Forks workers and commands from a process that has imported what they need."""
    return ForkServer(pytestconfig.stash[FORK_SERVER])


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a browser puts its pictures: in pytest's base folder, which is kept."""
    folder = tmp_path_factory.getbasetemp() / "pictures"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def shared_browser(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    require_chromium()
    with chromium(pictures, tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


@pytest.fixture
def new_browser(shared_browser: Browser) -> Iterator[Browser]:
    """A browser that knows nothing; a start of its own would take seconds."""
    yield shared_browser
    shared_browser.renew()


@pytest.fixture
def start_worker(
    app: Flask, environment: dict[str, str], tmp_path: Path, fork_server: ForkServer
) -> Iterator[StartWorker]:
    """A function that starts a worker of the host and waits until it is ready."""
    workers: list[WorkerProcess] = []

    def start(variables: Mapping[str, str] = {}, **options: t.Any) -> WorkerProcess:
        name = f"worker{len(workers)}"
        variables = {**environment, "PYTHONPATH": str(TESTS), **variables}
        given: dict[str, t.Any] = {"app": "support.host_app.worker", "fork_server": fork_server}
        worker = WorkerProcess(tmp_path, variables, name=name, **(given | options))
        workers.append(worker)
        worker.start()
        return worker

    yield start
    for worker in workers:
        worker.stop()
