"""Machine, date and versions of a measurement."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import subprocess
import typing as t
from importlib import metadata
from pathlib import Path

import psutil

PACKAGES = (
    "celery",
    "crewai",
    "flask",
    "flask-sqlalchemy",
    "gunicorn",
    "kombu",
    "openai",
    "psycopg",
    "redis",
    "sqlalchemy",
)


def describe() -> dict[str, t.Any]:
    """Return what figures depend on."""
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu_model": _cpu_model(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _commit() -> str | None:
    """Return the commit of the code, with ``+`` if there are uncommitted changes."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        folder = Path(__file__).parent
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout.strip()
    return None
