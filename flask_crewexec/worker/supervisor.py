"""A process that forks children, restarts those that die, and exits with them.

It has no threads and no connections, so its children start without any.
"""

from __future__ import annotations

import dataclasses
import logging
import mmap
import os
import select
import signal
import sys
import threading
import time
import typing as t

log = logging.getLogger(__name__)

PARENT_CHECK_SECONDS: t.Final = 1.0
"""How often a child checks whether its parent still lives."""
MAX_START_FAILURES: t.Final = 3
"""How often in a row all children may fail to start before the parent gives up."""
MAX_RESTART_SECONDS: t.Final = 60.0
"""Longest delay before a child that failed is started again."""

_RETIRED: t.Final = 2
"""Of children that are not ready the parent reads 0, of those that are 1."""
_STOP: t.Final = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
_HANDLED: t.Final = {*_STOP, signal.SIGHUP, signal.SIGCHLD}


class Supervisor:
    """Keeps a number of child processes alive.

    SIGTERM, SIGINT and SIGQUIT are forwarded to the children; SIGHUP stops them with SIGTERM and
    then restarts the same command. Each child has a process group of its own, so that Ctrl-C in a
    terminal reaches it only once. Children that retire are not started again.
    """

    def __init__(self, count: int) -> None:
        self._slots = [_ChildSlot(number) for number in range(1, count + 1)]
        self._ready = mmap.mmap(-1, count + 1)  # anonymous, and shared with the children
        self._signals = _Signals()
        self._stopping = False
        self._restart = False
        self._status = 0

    def fork(self) -> int:
        """Fork the children and return in each of them its number, from 1.

        :raises SystemExit: in the parent, after it was stopped and all children have ended.
        """
        self._signals.collect()
        while not self._has_ended():
            if due := self._due():
                if self._start(due[0]):
                    return due[0].number
                continue  # a failure to fork may have stopped everything
            for number in self._signals.wait(self._seconds_to_restart()):
                self._handle_signal(number)
            for slot in self._alive():
                self._reap(slot)
        if self._restart:
            os.execv(sys.executable, sys.orig_argv)
        sys.exit(self._status)

    def mark_ready(self, number: int) -> None:
        """Tell the parent that this child has started successfully."""
        self._ready[number] = True

    def mark_retired(self, number: int) -> None:
        """Tell the parent that this child ends for good."""
        self._ready[number] = _RETIRED

    def _has_ended(self) -> bool:
        return not self._alive() and (self._stopping or all(slot.retired for slot in self._slots))

    def _alive(self) -> list[_ChildSlot]:
        return [slot for slot in self._slots if slot.pid is not None]

    def _due(self) -> list[_ChildSlot]:
        now = time.monotonic()
        missing = [slot for slot in self._slots if slot.is_missing]
        return [] if self._stopping else [slot for slot in missing if slot.restart_at <= now]

    def _seconds_to_restart(self) -> float | None:
        """Return the time until the next child is due; None if no child is missing."""
        due = [slot.restart_at for slot in self._slots if slot.is_missing]
        return max(0.0, min(due) - time.monotonic()) if due and not self._stopping else None

    def _start(self, slot: _ChildSlot) -> bool:
        """Fork one child; return whether this process is the child."""
        self._ready[slot.number] = False
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)  # so that none is lost in between
        try:
            slot.pid = os.fork()
        except OSError as error:  # no memory, or too many processes
            self._schedule_restart(slot, f"did not start ({error})")
        if slot.pid == 0:
            os.setpgid(0, 0)
            self._signals.release()
            threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        return slot.pid == 0

    def _handle_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            # The user who closes a terminal does not expect a restart.
            self._restart, number = not sys.stdout.isatty(), signal.SIGTERM
        if number in _STOP:
            self._stop(number)

    def _stop(self, number: int) -> None:
        self._stopping = True
        for slot in self._alive():
            os.kill(t.cast(int, slot.pid), number)

    def _reap(self, slot: _ChildSlot) -> None:
        pid, status = os.waitpid(t.cast(int, slot.pid), os.WNOHANG)
        if pid == 0:
            return
        slot.pid = None
        slot.retired = self._ready[slot.number] == _RETIRED
        code = os.waitstatus_to_exitcode(status)
        if self._stopping or slot.retired:
            self._status = max(self._status, code if code >= 0 else 128 - code)
        else:
            how = f"status {code}" if code >= 0 else f"signal {-code}"
            self._schedule_restart(slot, f"ended with {how}")

    def _schedule_restart(self, slot: _ChildSlot, what: str) -> None:
        slot.failures = 0 if self._ready[slot.number] else slot.failures + 1
        delay = min(MAX_RESTART_SECONDS, 2.0 ** (slot.failures - 1))
        slot.restart_at = time.monotonic() + delay
        log.error("Worker %d %s; starting another one in %g s.", slot.number, what, delay)
        if all(slot.failures >= MAX_START_FAILURES for slot in self._slots):
            log.critical("No worker can be started.")
            self._status = 1
            self._stop(signal.SIGTERM)


@dataclasses.dataclass
class _ChildSlot:
    """A child, or the place of one that has to be started."""

    number: int
    pid: int | None = None
    restart_at: float = 0.0
    """When to start it, by the monotonic clock."""
    failures: int = 0
    """How often in a row it ended before it was ready."""
    retired: bool = False
    """Whether it has ended for good."""

    @property
    def is_missing(self) -> bool:
        """Whether a child is to be started."""
        return self.pid is None and not self.retired


class _Signals:
    """Signals that are read one by one from a pipe instead of interrupting."""

    def collect(self) -> None:
        """Start to collect them."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer)
        self._previous = {n: signal.signal(n, lambda *_: None) for n in _HANDLED}

    def release(self) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float | None) -> bytes:
        """Return the numbers of the signals that have arrived, after at most *seconds*."""
        readable, _, _ = select.select([self._reader], [], [], seconds)
        return os.read(self._reader, 512) if readable else b""


def _exit_with_parent(parent: int) -> None:
    """Send SIGTERM to this process once its parent has died."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
