"""A command on a pseudo-terminal, as a person sees it."""

from __future__ import annotations

import errno
import os
import pty
import select
import subprocess
import termios
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from support.servers.processes import wait_until

HOME = "\x1b[H"
"""Moves the cursor to the upper left corner, where a page begins to be drawn again."""


class TerminalProcess:
    """Runs a command on a terminal of its own until the end of the ``with``.

    :param size: lines and columns.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        size: tuple[int, int] = (40, 120),
    ) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, size)
        self._printed = b""
        self.child = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.wait(15)
        os.close(self._master)

    def printed(self) -> str:
        """Everything that was printed so far, with its escape sequences."""
        while select.select([self._master], [], [], 0)[0]:
            piece = self._read()
            if not piece:
                break
            self._printed += piece
        return self._printed.decode(errors="replace")

    def page(self) -> str:
        """What is on the screen of a command that draws it over and over."""
        return self.printed().rpartition(HOME)[2]

    def wait_for(self, *texts: str) -> None:
        """Wait until the page shows all of them."""
        try:
            wait_until(lambda: all(text in self.page() for text in texts))
        except TimeoutError as error:
            raise AssertionError(f"Waited for {texts}, but the page is:\n{self.page()}") from error

    def end(self, signal: int) -> int:
        """Send a signal and return the exit code."""
        self.child.send_signal(signal)
        # Nobody else empties the terminal, and its buffer is small.
        wait_until(lambda: self.printed() and self.child.poll() is not None, what="the end")
        return self.child.wait()

    def _read(self) -> bytes:
        try:
            return os.read(self._master, 65_536)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that the other end is closed
                raise
            return b""
