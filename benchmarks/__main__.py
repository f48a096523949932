"""Measure every figure together with its reference, and write a table, JSON and charts."""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from . import plots
from .figures import Figure
from .figures import Profile
from .machine import describe
from .report import table
from .report import write_json

MODULES = (
    "startup",
    "queueing",
    "polling",
    "reading",
    "execution_page",
    "latency",
    "answers",
    "running",
    "events",
    "calls",
    "density",
    "recovery",
    "notifications",
)
"""Each has ``measure(profile)``, which returns figures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if a benchmark failed."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    given.output.mkdir(parents=True, exist_ok=True)
    figures, failures = measure_all(given.only or MODULES, full=given.full)
    profile = "full" if given.full else "quick"
    write_json(given.output / "figures.json", figures, describe(), profile, failures)
    plots.draw(figures, given.output)
    print(f"\n{table(figures)}\n")
    for name, error in failures.items():
        print(f"FAILED: {name}\n{error}")
    print(f"Written to {given.output}")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks")
    parser.add_argument("--full", action="store_true", help="run more and larger rounds")
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks"), metavar="DIR")
    parser.add_argument(
        "--only", nargs="+", choices=MODULES, metavar="NAME", help=", ".join(MODULES)
    )
    return parser


def measure_all(names: Sequence[str], *, full: bool) -> tuple[list[Figure], dict[str, str]]:
    """Return the figures, and the tracebacks of the modules that failed."""
    figures: list[Figure] = []
    failures: dict[str, str] = {}
    for name in names:
        began = time.monotonic()
        print(f"{name} …", flush=True)
        try:
            figures += _measure(name, full)
        except Exception:  # noqa: BLE001  # the other modules must still run
            failures[name] = traceback.format_exc()
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return figures, failures


def _measure(name: str, full: bool) -> list[Figure]:
    module = importlib.import_module(f"{__package__}.{name}")
    with tempfile.TemporaryDirectory(prefix=f"crewexec-{name}-") as folder:
        figures: list[Figure] = module.measure(Profile(full, Path(folder)))
    return figures


if __name__ == "__main__":
    # Servers have process groups of their own, so only this process stops them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
