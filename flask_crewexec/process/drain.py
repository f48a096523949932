"""Drain deadline of this worker, shared with its child processes.

Only the main process of a worker receives the signal. Its children read the deadline from a shared
page of memory, which needs neither broker nor database. A worker that is itself forked uses a page
of its own.
"""

from __future__ import annotations

import mmap
import struct
import time

_DOUBLE = struct.Struct("d")
_shared: mmap.mmap


def reset_after_fork() -> None:
    """Stop sharing the deadline of the process that has forked this one."""
    global _shared
    _shared = mmap.mmap(-1, _DOUBLE.size)  # anonymous, and shared with processes forked later


reset_after_fork()


def start_drain(seconds: float) -> None:
    """Let runs continue for *seconds*, and after that until the end of their current step."""
    _DOUBLE.pack_into(_shared, 0, time.monotonic() + seconds)


def has_begun() -> bool:
    """Return whether the worker shuts down."""
    return _deadline() > 0.0


def deadline_passed() -> bool:
    """Return whether runs are to be released."""
    return 0.0 < _deadline() <= time.monotonic()


def _deadline() -> float:
    deadline: float = _DOUBLE.unpack_from(_shared)[0]
    return deadline
