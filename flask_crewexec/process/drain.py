"""Whether this worker is told to end, and for how long its runs may still go on.

Only a worker's main process gets the signal. Its children share a page of memory with it, which
works without broker and database, too. Workers that are forked themselves each take a page of their
own.
"""

from __future__ import annotations

import mmap
import struct
import time

_DOUBLE = struct.Struct("d")
_shared: mmap.mmap


def reset_after_fork() -> None:
    """Share nothing with the process that has forked this one."""
    global _shared
    _shared = mmap.mmap(-1, _DOUBLE.size)  # anonymous, and shared with processes forked later


reset_after_fork()


def start_drain(seconds: float) -> None:
    """Let runs go on for *seconds*, and beyond that to the end of their step."""
    _DOUBLE.pack_into(_shared, 0, time.monotonic() + seconds)


def deadline_passed() -> bool:
    """Return whether runs are to be handed back."""
    end: float = _DOUBLE.unpack_from(_shared)[0]
    return 0.0 < end <= time.monotonic()
