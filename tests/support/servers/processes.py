"""A server as a child process that a test can kill, suspend and restart."""

from __future__ import annotations

import abc
import contextlib
import os
import pwd
import random
import signal
import socket
import subprocess
import time
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import psutil

from support.servers.forked_processes import ForkServer

_POLL_SECONDS = 0.02
_MAX_POLL_SECONDS = 0.1

_STILL: t.Final = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)


class StartFailed(RuntimeError):
    """A server ended early or did not become ready; the message holds its log."""


class Child(t.Protocol):
    """What is asked of a started process, be it forked or `subprocess.Popen`."""

    pid: int
    returncode: t.Any

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...


class ServerProcess(abc.ABC):
    """One server and the processes that it forks, in a process group of their own.

    :param command: the program and its arguments.
    :param log: the file that collects what the server prints, over all of its starts.
    :param environment: replaces the environment of the tests.
    :param user: who runs the server, if not the user who runs the tests.
    :param fork_server: forks the server from a process that has loaded what it needs; without it,
        a new interpreter is started.
    """

    stop_signal = signal.SIGTERM
    start_seconds = 30.0
    stop_seconds = 15.0

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        fork_server: ForkServer | None = None,
    ) -> None:
        self.command = list(command)
        self.log = log
        self._cwd = cwd
        self._environment = environment
        self._user = user
        self._fork_server = fork_server
        self._log_offset = 0
        self._child: Child | None = None

    @abc.abstractmethod
    def is_ready(self) -> bool:
        """Whether the server does its work; asked again and again during the start."""

    def __enter__(self) -> t.Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        return self._started().pid

    def log_text(self) -> str:
        """What the server has printed since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_offset)
            return log.read().decode(errors="replace")

    def children(self) -> list[psutil.Process]:
        """The processes that the server has forked and that are still alive."""
        return psutil.Process(self.pid).children(recursive=True)

    def start(self) -> None:
        """Start the server and return when it is ready."""
        if self.running:
            raise RuntimeError(f"{self.command[0]} is running already")
        self._child = self._spawn()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server in the orderly way, or by force when that takes too long."""
        if self._child is None:
            return
        self._child.send_signal(self.stop_signal)
        # A suspended server sees no signal before it continues.
        self._signal_group(signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(self.stop_seconds)
        # Also the children of a server that was killed.
        self._signal_group(signal.SIGKILL)
        self._child.wait(self.stop_seconds)
        self._child = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the server, not to its children; wait for the end after SIGKILL."""
        child = self._started()
        child.send_signal(number)
        if number == signal.SIGKILL:
            child.wait(self.stop_seconds)

    def ended(self) -> int:
        """Wait for the end of the server, and return its exit status."""
        return self._started().wait(self.stop_seconds)

    def restart(self) -> None:
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Freeze the server and its children: alive, connected and silent."""
        processes = [psutil.Process(self.pid), *self.children()]
        self._signal_group(signal.SIGSTOP)
        wait_until(
            # A child that has just been killed stays a zombie while its parent is frozen.
            lambda: all(process.status() in _STILL for process in processes),
            what="the processes to freeze",
        )

    def resume(self) -> None:
        self._signal_group(signal.SIGCONT)

    def _started(self) -> Child:
        if self._child is None:
            raise RuntimeError(f"{self.command[0]} has not been started")
        return self._child

    def _spawn(self) -> Child:
        with self.log.open("ab") as log:
            self._log_offset = log.tell()
            if self._fork_server is not None:
                return self._fork_server.start(
                    self.command,
                    folder=self._cwd or Path.cwd(),
                    environment=self._environment or os.environ,
                    output=log,
                )
            return subprocess.Popen(
                self.command,
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **run_as(self._user),
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self.is_ready():
            if not self.running:
                raise self._start_failed(f"ended with status {self._started().returncode}")
            if time.monotonic() > deadline:
                raise self._start_failed(f"was not ready after {self.start_seconds:g} s")
            time.sleep(_POLL_SECONDS)

    def _start_failed(self, reason: str) -> StartFailed:
        return StartFailed(f"{' '.join(self.command)} {reason}. Its log:\n{self.log_text()}")

    def _signal_group(self, number: int) -> None:
        # macOS answers PermissionError for a group whose members have all ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class _RunAs(t.TypedDict, total=False):
    user: str
    group: int
    extra_groups: list[int]


def run_as(user: str | None) -> _RunAs:
    """The arguments that make `subprocess` run a program as another user."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def wait_until(
    condition: Callable[[], object], *, seconds: float = 90.0, what: str = "the condition"
) -> None:
    """Ask until the condition holds; raise TimeoutError when it never does.

    The longer it waits the less often it asks, since that takes time from what it waits for.
    """
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        if waited > seconds:
            raise TimeoutError(f"Waited {seconds:g} s for {what}")
        time.sleep(min(max(_POLL_SECONDS, waited / 10), _MAX_POLL_SECONDS))


def free_port() -> int:
    """A port on the loopback interface that stays free while its server is down.

    It lies below the range from which the system serves outgoing connections.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("Found no free port")
