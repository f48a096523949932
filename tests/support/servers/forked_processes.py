"""Processes of `support.servers.fork_server`, used like those of `subprocess`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from support.paths import ROOT
from support.paths import TESTS


class ForkedProcess:
    """One forked process, with what is used of `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], status: socket.socket) -> None:
        self.args = list(command)
        self.returncode: int | None = None
        self._status = status.makefile("r")
        self.pid = int(self._status.readline())

    def poll(self) -> int | None:
        """Return its exit status if it has ended."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        :raises subprocess.TimeoutExpired: if that takes longer than *timeout* seconds.
        """
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and _is_readable(self._status.fileno(), seconds):
            self.returncode = int(self._status.readline() or -signal.SIGKILL)
            self._status.close()
        return self.returncode


def _is_readable(descriptor: int, seconds: float | None) -> bool:
    """Wait until something can be read; `select.select` takes no descriptor above 1023."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


class ForkServerProcess:
    """A process that loads what workers need when it is first asked, and forks it.

    It ends with the process that has started it.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="crewexec-fork-")
        self.address = str(Path(self._folder.name, "requests"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as requests:
            requests.bind(self.address)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.servers.fork_server", str(requests.fileno())],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(TESTS)},
                pass_fds=[requests.fileno()],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

    def stop(self) -> None:
        with self._folder:
            self._process.communicate(timeout=30)


class ForkServer:
    """What asks a `ForkServerProcess` to fork, from any process.

    :param address: that of the server.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def start(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        output: t.IO[bytes],
        errors: t.IO[bytes] | None = None,
    ) -> ForkedProcess:
        """Start ``[sys.executable, "-m", module, …]`` in a session of its own."""
        executable, option, module, *arguments = command
        if (executable, option) != (sys.executable, "-m"):
            raise ValueError(f"cannot be forked: {command}")
        request = {
            "module": module,
            "arguments": arguments,
            "folder": str(folder),
            "environment": dict(environment),
        }
        status, told = socket.socketpair()
        with status, told:
            descriptors = [output.fileno(), (errors or output).fileno(), told.fileno()]
            self._send(json.dumps(request).encode(), descriptors)
            told.close()
            return ForkedProcess(command, status)

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path = ROOT,
        environment: Mapping[str, str],
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and return what it has printed."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = self.start(
                command, folder=folder, environment=environment, output=output, errors=errors
            )
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
            return subprocess.CompletedProcess(command, code, _text(output), _text(errors))

    def _send(self, request: bytes, descriptors: list[int]) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(self._address)
            socket.send_fds(client, [request], descriptors)


def _text(file: t.IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
