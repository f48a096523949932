"""Child processes of the demo."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import types
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from .errors import ChildFailed

ROOT = Path(__file__).resolve().parents[2]
"""Folder of the package 'sample_app'."""

_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1
_LOG_LINES = 15


class Child:
    """A Python module that runs in a process until the end of the ``with`` block.

    :param name: name of the process, for the user.
    :param module: the module and its arguments; pass secrets in the environment.
    :param environment: the complete environment.
    :param log: file for the output.
    """

    def __init__(
        self, name: str, module: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._module = module
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> t.Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._module],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches only this process, which stops the children in order.
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        # Kill what has not ended, and its children. macOS raises for an empty group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with process:
            pass  # closes the pipe and waits

    def check(self) -> None:
        """Check that the process is running.

        :raises ChildFailed: if it has ended.
        """
        status = None if self._process is None else self._process.poll()
        if status is not None:
            raise self._failed(f"ended unexpectedly, {describe_status(status)}")

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until *ready* returns True.

        :raises ChildFailed: if the process ends before, or after *seconds*.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise self._failed(f"was not ready after {seconds:g} seconds")
            time.sleep(_POLL_SECONDS)

    def _failed(self, what: str) -> ChildFailed:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        log = "\n".join(f"  {line}" for line in lines)
        return ChildFailed(f"The {self.name} {what}.", f"{self.log} ends:\n{log}")


def free_port() -> int:
    """Return an unused port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def describe_status(status: int) -> str:
    """Return how a process ended."""
    if status >= 0:
        return f"with status {status}"
    return f"by signal {signal.Signals(-status).name}"
