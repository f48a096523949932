"""Pin each worker to a CPU of its own.

Only one thread of a Python process runs at a time. On several CPUs, each switch between threads
wakes up another CPU; on one CPU, switches are cheap.
"""

from __future__ import annotations

import os
import typing as t

import click

_POOLS: t.Final = ("threads", "solo")


def validate_cpu_count(count: int, pool: str) -> None:
    """Check that *count* workers with this *pool* can have one CPU each.

    :raises click.UsageError: if they cannot.
    """
    if pool not in _POOLS:
        raise click.UsageError(
            f"'--pin' requires '--pool threads': the processes of '{pool}' would share one CPU."
        )
    if not hasattr(os, "sched_setaffinity"):
        raise click.UsageError("'--pin' is not supported on this operating system.")
    if count > (available := len(os.sched_getaffinity(0))):
        raise click.UsageError(f"'--pin' needs {count} CPUs, but only {available} are available.")


def pin_to_cpu(number: int) -> None:
    """Run this process on the *number*-th (from 1) of the CPUs that are available to it only."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number - 1]})
