"""pytest-celery's nodes over processes of this machine instead of containers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import psutil
from celery import Celery
from pytest_celery import CeleryTestContainer
from pytest_celery import CeleryTestWorker
from pytest_celery import CeleryWorkerContainer
from pytest_celery import RedisContainer

from support.paths import ROOT
from support.servers.forked_processes import ForkServer
from support.servers.processes import ServerProcess
from support.servers.redis_process import RedisProcess


class WorkerProcess(ServerProcess):
    """A Celery worker.

    :param folder: where its log goes.
    :param environment: what is added to the environment of the tests.
    :param options: further arguments of ``celery worker``.
    """

    start_seconds = 60.0
    stop_seconds = 20.0

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        name: str = "worker",
        pool: str = "prefork",
        concurrency: int = 1,
        queues: Sequence[str] = ("crew_execution", "cleanup"),
        options: Sequence[str] = (),
        app: str = "sample_app.celery_app",
        cwd: Path = ROOT,
        fork_server: ForkServer | None = None,
    ) -> None:
        self.name = name
        command = [sys.executable, "-m", "celery", "-A", app, "worker", "--loglevel=INFO"]
        command += ["-n", f"{name}@%h", f"--queues={','.join(queues)}"]
        command += [f"--pool={pool}", f"--concurrency={concurrency}"]
        # It would wait a second for what other workers know to be revoked, which is never anything.
        command += ["--without-mingle", *options]
        super().__init__(
            command,
            log=folder / f"{name}.log",
            cwd=cwd,
            environment={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            fork_server=fork_server,
        )

    @property
    def hostname(self) -> str:
        """The name under which Celery's remote control knows the worker."""
        return f"{self.name}@{socket.gethostname()}"

    def is_ready(self) -> bool:
        return f"{self.hostname} ready." in self.log_text()


class WorkerProcesses(ServerProcess):
    """Several workers, started by one command.

    :param folder: where their log goes.
    :param environment: what is added to the environment of the tests.
    :param options: arguments of ``flask crewexec worker``.
    """

    start_seconds = 60.0
    stop_seconds = 20.0

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *options: str,
        count: int = 2,
        fork_server: ForkServer | None = None,
    ) -> None:
        self.names = [f"crews.{number}@{socket.gethostname()}" for number in range(1, count + 1)]
        command = [
            sys.executable,
            "-m",
            "flask",
            "--app",
            "support.host_app.host",
            "crewexec",
            "worker",
        ]
        command += [f"--processes={count}", "-n", "crews@%h", "--loglevel=INFO", *options]
        super().__init__(
            command,
            log=folder / "workers.log",
            cwd=ROOT,
            environment={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            fork_server=fork_server,
        )

    def is_ready(self) -> bool:
        return all(f"{name} ready." in self.log_text() for name in self.names)

    def _signal_group(self, number: int) -> None:
        """Signal the workers, too, which have process groups of their own."""
        workers = psutil.Process(self.pid).children() if self.running else []
        super()._signal_group(number)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.pid, number)


StartWorker = Callable[..., WorkerProcess]
"""Starts a worker with the given options and waits until it is ready."""


class LocalContainer(CeleryTestContainer):
    """What pytest-celery's nodes ask of a container, answered by a process.

    The process is started by whoever made it; tearing the node down stops it.
    """

    def __init__(self, process: ServerProcess, name: str) -> None:
        # Without super().__init__(), which would ask the Docker engine.
        self.process = process
        self._name = name

    @property
    def id(self) -> str:
        return str(self.process.pid)

    @property
    def name(self) -> str:
        return self._name

    @property
    def status(self) -> str:
        return "running" if self.process.running else "exited"

    def ready(self) -> bool:
        return self.process.running and self.process.is_ready()

    def logs(self) -> str:
        return self.process.log_text()

    def reload(self) -> None:
        """Nothing is cached here."""

    def kill(self, signal: str | int = "SIGKILL") -> None:
        self.process.kill(_signal_number(signal))

    def restart(self, timeout: int | None = None) -> None:
        self.process.restart()

    def teardown(self) -> None:
        self.process.stop()


class LocalRedis(LocalContainer, RedisContainer):
    """To be wrapped in ``RedisTestBroker`` or ``RedisTestBackend``, or in both at once."""

    def __init__(self, process: RedisProcess, name: str = "redis") -> None:
        super().__init__(process, name)
        self._redis = process

    @property
    def url(self) -> str:
        return self._redis.url

    @property
    def host_url(self) -> str:
        return self._redis.url

    @property
    def hostname(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return self._redis.port


class LocalWorkerContainer(LocalContainer, CeleryWorkerContainer):
    def __init__(self, process: WorkerProcess) -> None:
        super().__init__(process, process.name)


class LocalWorker(CeleryTestWorker):
    """The node of a worker process. The process must have been started."""

    def __init__(self, process: WorkerProcess, app: Celery) -> None:
        super().__init__(LocalWorkerContainer(process), app)
        self.process = process

    @property
    def worker_name(self) -> str:
        return self.process.name

    def hostname(self) -> str:
        return self.process.hostname

    def get_running_processes_info(
        self, columns: list[str] | None = None, filters: dict[str, str] | None = None
    ) -> list[dict[str, t.Any]]:
        family = [psutil.Process(self.process.pid), *self.process.children()]
        rows = [process.as_dict(columns) for process in family]
        wanted = (filters or {}).items()
        return [row for row in rows if all(row.get(key) == value for key, value in wanted)]


def connection_environment(cluster_config: Mapping[str, t.Any]) -> dict[str, str]:
    """The addresses of pytest-celery's ``celery_worker_cluster_config`` as Celery's variables."""
    return {
        "CELERY_BROKER_URL": ";".join(cluster_config["celery_broker_cluster_config"]["urls"]),
        "CELERY_RESULT_BACKEND": ";".join(cluster_config["celery_backend_cluster_config"]["urls"]),
    }


def _signal_number(name: str | int) -> int:
    return name if isinstance(name, int) else signal.Signals[name]
