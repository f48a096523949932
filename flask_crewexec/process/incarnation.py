"""Identify one start of a process, so that others can find out whether it has ended.

A node name or a pid may belong to another process tomorrow. A pid together with the time at which
its process started occurs once per pid namespace and boot, and the kernel tells both in ``/proc``.
"""

from __future__ import annotations

import functools
import os
import socket
import typing as t
from pathlib import Path

_ENDED_STATES: t.Final = ("Z", "X")
"""Of processes that have ended but were not waited for."""


class Incarnation(t.NamedTuple):
    """One start of one process."""

    machine: str
    """Host name, boot and pid namespace: within them a pid names one process at a time."""
    pid: int
    start: int
    """Clock ticks from the boot to the start of the process."""

    def __str__(self) -> str:
        return f"{self.machine}/{self.pid}/{self.start}"

    @classmethod
    def parse(cls, text: str) -> Incarnation:
        """Return the incarnation that was written as *text*."""
        machine, pid, start = text.rsplit("/", 2)
        return cls(machine, int(pid), int(start))

    def has_ended(self) -> bool:
        """Return whether the process is known to have ended; False in case of doubt.

        Its machine must be that of :func:`current`.
        """
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # a process of another user
            pass
        try:
            state, start = _read_stat(self.pid)
        except OSError:  # processes of other users may be hidden
            return False
        return start != self.start or state in _ENDED_STATES


@functools.cache
def current() -> Incarnation | None:
    """Return the incarnation of this process; None where ``/proc`` does not tell."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):  # it shows another pid namespace
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
        _, start = _read_stat(os.getpid())
    except OSError:
        return None
    # The host name tells machines apart that were restored from one snapshot.
    return Incarnation(f"{socket.gethostname()}/{boot}/{namespace}", os.getpid(), start)


os.register_at_fork(after_in_child=current.cache_clear)


def _read_stat(pid: int) -> tuple[str, int]:
    """Return the state and the start of a process, as in proc_pid_stat(5)."""
    # The name of the program stands in parentheses, and may contain any characters.
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    fields = stat.rpartition(") ")[2].split()
    return fields[0], int(fields[19])
