"""Poll the database and the broker, and show the monitor's page once or continuously."""

from __future__ import annotations

import os
import sys
import time
import typing as t
from collections.abc import Callable

from flask import Flask
from rich.console import Console
from rich.live import Live

from .. import clock
from ..app_state import AppState
from ..app_state import current_app_state
from ..messaging.broker import queue_depths
from ..services.readiness import check_all
from .monitor_snapshot import QueueSnapshot
from .monitor_snapshot import read_snapshot
from .monitor_view import Checks
from .monitor_view import Depths
from .monitor_view import MonitorFrame
from .monitor_view import page
from .polling import PolledSource

ONCE_SECONDS: t.Final = 10.0
"""Time limit of an answer if the page is printed once."""
LIVE_SECONDS: t.Final = 2.0
"""Time limit of an answer before the page shows that there is none yet."""
WIDTH: t.Final = 160
"""Width if the output is not a terminal."""

T = t.TypeVar("T")


class SnapshotPoller:
    """Polls the database and the broker of one application."""

    def __init__(self, app: Flask) -> None:
        with app.app_context():
            self._stale_after = current_app_state().settings.stale_worker_after
        self._depths = PolledSource[Depths]("The message broker", _in_context(app, queue_depths))
        self._snapshot = PolledSource[QueueSnapshot](
            "The database", _in_context(app, read_snapshot)
        )
        self._checks = PolledSource[Checks]("The service", _in_context(app, check_all))

    def poll(self, timeout: float) -> MonitorFrame:
        """Return what they answer within *timeout* seconds each."""
        return MonitorFrame(
            depths=self._depths.poll(timeout),
            snapshot=self._snapshot.poll(timeout),
            checks=self._checks.poll(timeout),
            at=clock.now(),
            stale_after=self._stale_after,
        )


def new_console(*, no_color: bool) -> Console:
    """Return the standard output as a console; ``NO_COLOR`` also switches colours off."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(width=width, no_color=no_color or None)


def is_live(console: Console) -> bool:
    """Return whether the output is a terminal on which a page can be updated."""
    return sys.stdout.isatty() and not console.is_dumb_terminal


def show_once(app: Flask, console: Console) -> bool:
    """Print the page; return whether it is complete."""
    frame = SnapshotPoller(app).poll(ONCE_SECONDS)
    console.print(page(frame))
    return frame.complete


def show_live(app: Flask, console: Console, interval: float) -> None:
    """Update the page every *interval* seconds until the process is interrupted."""
    poller = SnapshotPoller(app)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(page(poller.poll(LIVE_SECONDS), console.height), refresh=True)
            time.sleep(interval)


def _in_context(app: Flask, function: Callable[[AppState], T]) -> Callable[[], T]:
    """Return *function* so that it can be called from any thread."""

    def call() -> T:
        with app.app_context():
            return function(current_app_state())

    return call
