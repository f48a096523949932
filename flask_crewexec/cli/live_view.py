"""Look, and show what was seen: once or again and again."""

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
from .monitor_snapshot import QueueSnapshot
from .monitor_snapshot import read_snapshot
from .monitor_view import Depths
from .monitor_view import MonitorFrame
from .monitor_view import page
from .polling import PolledSource

ONCE_SECONDS: t.Final = 10.0
"""How long to wait for an answer when there is no second look."""
LIVE_SECONDS: t.Final = 2.0
"""How long to wait for an answer before showing that there is none yet."""
WIDTH: t.Final = 160
"""Columns where there is no terminal that has a width."""

T = t.TypeVar("T")


class SnapshotPoller:
    """Asks the database and the broker of one application."""

    def __init__(self, app: Flask) -> None:
        with app.app_context():
            self._stale_after = current_app_state().settings.stale_worker_after
        self._depths = PolledSource[Depths]("The message broker", _within(app, queue_depths))
        self._work = PolledSource[QueueSnapshot]("The database", _within(app, read_snapshot))

    def look(self, patience: float) -> MonitorFrame:
        """Return what the two answer within *patience* seconds each."""
        depths, work = self._depths.poll(patience), self._work.poll(patience)
        return MonitorFrame(at=clock.now(), stale_after=self._stale_after, depths=depths, work=work)


def new_console(*, no_color: bool) -> Console:
    """Return the standard output; without colours also where ``NO_COLOR`` is set."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(width=width, no_color=no_color or None)


def is_live(console: Console) -> bool:
    """Whether the output is a terminal on which a page can be drawn over and over."""
    return sys.stdout.isatty() and not console.is_dumb_terminal


def show_once(app: Flask, console: Console) -> bool:
    """Print the page; return whether nothing is missing on it."""
    look = SnapshotPoller(app).look(ONCE_SECONDS)
    console.print(page(look))
    return look.complete


def show_live(app: Flask, console: Console, interval: float) -> None:
    """Draw the page every *interval* seconds, for ever."""
    watcher = SnapshotPoller(app)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(page(watcher.look(LIVE_SECONDS), console.height), refresh=True)
            time.sleep(interval)


def _within(app: Flask, ask: Callable[[AppState], T]) -> Callable[[], T]:
    """Return *ask* as a function that can be called from any thread."""

    def asked() -> T:
        with app.app_context():
            return ask(current_app_state())

    return asked
