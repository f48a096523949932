"""Convert signals to an exception, so that everything is stopped when the demo ends."""

from __future__ import annotations

import contextlib
import signal
import types
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """The demo received a signal to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextlib.contextmanager
def signals_stop() -> Iterator[None]:
    """Raise :exc:`Stopped` at the first signal, and ignore further ones."""
    former = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Ignore signals from now on; what follows must end in bounded time."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, frame: types.FrameType | None) -> None:
    ignore_signals()
    raise Stopped(number)
