"""A process that forks others, starts them again when they die, and ends with them.

It has no thread and no connection of its own, so that its children begin with none.
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

LOOK_SECONDS: t.Final = 1.0
"""How soon a child notices that its parent has died."""
START_ATTEMPTS: t.Final = 3
"""How often all children may fail to start, one after the other, until the parent gives up."""
MAX_PAUSE: t.Final = 60.0
"""Seconds before a child that does not start is tried again, at most."""

_STOP: t.Final = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
_HANDLED: t.Final = {*_STOP, signal.SIGHUP, signal.SIGCHLD}


class Supervisor:
    """Keeps a number of child processes alive.

    Signals that stop are passed on, each as it is; SIGHUP ends the children in the orderly way and
    starts the same command again. Children belong to process groups of their own, so that Ctrl-C in
    a terminal reaches them once.
    """

    def __init__(self, count: int) -> None:
        self._places = [_ChildSlot(number) for number in range(1, count + 1)]
        self._ready = mmap.mmap(-1, count + 1)  # anonymous, and shared with the children
        self._signals = _Signals()
        self._stopping = False
        self._restart = False
        self._status = 0

    def fork(self) -> int:
        """Return in each child its number, from 1.

        :raises SystemExit: in the parent, when it was stopped and all children have ended.
        """
        self._signals.collect()
        while not self._is_over():
            if due := self._due():
                if self._start(due[0]):
                    return due[0].number
                continue  # to fail may have been the end
            for number in self._signals.wait(self._pause()):
                self._handle_signal(number)
            for place in self._alive():
                self._reap(place)
        if self._restart:
            os.execv(sys.executable, sys.orig_argv)
        sys.exit(self._status)

    def mark_ready(self, number: int) -> None:
        """Tell the parent, from the child, that it does its work."""
        self._ready[number] = True

    def _is_over(self) -> bool:
        return self._stopping and not self._alive()

    def _alive(self) -> list[_ChildSlot]:
        return [place for place in self._places if place.pid is not None]

    def _due(self) -> list[_ChildSlot]:
        now = time.monotonic()
        missing = [place for place in self._places if place.pid is None]
        return [] if self._stopping else [place for place in missing if place.restart_at <= now]

    def _pause(self) -> float | None:
        """Seconds until a child is to be started; None if only a signal can change anything."""
        due = [place.restart_at for place in self._places if place.pid is None]
        return max(0.0, min(due) - time.monotonic()) if due and not self._stopping else None

    def _start(self, place: _ChildSlot) -> bool:
        """Return whether this is the child."""
        self._ready[place.number] = False
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)  # none may get lost in between
        try:
            place.pid = os.fork()
        except OSError as error:  # no memory, or too many processes
            self._schedule_restart(place, f"did not start ({error})")
        if place.pid == 0:
            os.setpgid(0, 0)
            self._signals.release()
            threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        return place.pid == 0

    def _handle_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            # Where a terminal is closed nobody wants to go on.
            self._restart, number = not sys.stdout.isatty(), signal.SIGTERM
        if number in _STOP:
            self._stop(number)

    def _stop(self, number: int) -> None:
        self._stopping = True
        for place in self._alive():
            os.kill(t.cast(int, place.pid), number)

    def _reap(self, place: _ChildSlot) -> None:
        pid, status = os.waitpid(t.cast(int, place.pid), os.WNOHANG)
        if pid == 0:
            return
        place.pid = None
        code = os.waitstatus_to_exitcode(status)
        if self._stopping:
            self._status = max(self._status, code if code >= 0 else 128 - code)
        else:
            how = f"status {code}" if code >= 0 else f"signal {-code}"
            self._schedule_restart(place, f"ended with {how}")

    def _schedule_restart(self, place: _ChildSlot, what: str) -> None:
        place.failures = 0 if self._ready[place.number] else place.failures + 1
        pause = min(MAX_PAUSE, 2.0 ** (place.failures - 1))
        place.restart_at = time.monotonic() + pause
        log.error("Worker %d %s; starting another one in %g s.", place.number, what, pause)
        if all(place.failures >= START_ATTEMPTS for place in self._places):
            log.critical("No worker can be started.")
            self._status = 1
            self._stop(signal.SIGTERM)


@dataclasses.dataclass
class _ChildSlot:
    """A child, or one that is missing."""

    number: int
    pid: int | None = None
    restart_at: float = 0.0
    """When to start it, by the monotonic clock."""
    failures: int = 0
    """How often it ended before it was ready, in a row."""


class _Signals:
    """Signals that are read one by one instead of interrupting."""

    def collect(self) -> None:
        """Begin to read them."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer)
        self._former = {n: signal.signal(n, lambda *_: None) for n in _HANDLED}

    def release(self) -> None:
        """Let them do what they did before."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float | None) -> bytes:
        """Return the numbers of those that have arrived, at the latest after *seconds*."""
        readable, _, _ = select.select([self._reader], [], [], seconds)
        return os.read(self._reader, 512) if readable else b""


def _end_with(parent: int) -> None:
    """End this process in the orderly way once its parent has died."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
