"""Workers on cores of their own.

The threads of a Python process take turns, since one at a time may run. On several cores each turn
begins with waking a thread elsewhere; on one, whoever runs goes on.
"""

from __future__ import annotations

import os
import typing as t

import click

_POOLS: t.Final = ("threads", "solo")


def validate_cpu_count(count: int, pool: str) -> None:
    """Check that so many workers with such a *pool* can have a core each.

    :raises click.UsageError: if not.
    """
    if pool not in _POOLS:
        raise click.UsageError(
            f"'--pin' is for '--pool threads': the processes of '{pool}' would share one core."
        )
    if not hasattr(os, "sched_setaffinity"):
        raise click.UsageError("'--pin' is not to be had on this operating system.")
    if count > (most := len(os.sched_getaffinity(0))):
        raise click.UsageError(f"'--pin' needs {count} cores, and only {most} may be used here.")


def pin_to_cpu(number: int) -> None:
    """Keep this process on one of the cores that it may use: the *number*-th, from 1."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number - 1]})
