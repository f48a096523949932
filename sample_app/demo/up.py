"""``flask --app sample_app up``: everything runs until Ctrl-C, for people with a browser."""

from __future__ import annotations

import contextlib
import time
import typing as t
from pathlib import Path

from .errors import DemoFailed
from .models import configured_or_scripted
from .stopping import ignore_signals
from .stopping import signals_stop
from .stopping import Stopped
from .system import System
from .terminal import Terminal

CONCURRENCY = 4
_POLL_SECONDS = 0.3


class Options(t.NamedTuple):
    """Options of the command."""

    port: int
    """0 for any free port."""
    home: Path
    word_seconds: float
    """Seconds between two words of the scripted model."""


def run(options: Options) -> int:
    """Run everything until a signal, and return the exit code: 0 if it was ready by then."""
    terminal, is_ready = Terminal(), False
    with signals_stop(), contextlib.ExitStack() as stack:
        system = System(options.home, options.port, terminal, stack, concurrency=CONCURRENCY)
        try:
            running = system.start(lambda: configured_or_scripted(stack, options.word_seconds))
            is_ready = True
            terminal.invite(running.client.url, running.seeded.token)
            while True:
                system.check()
                time.sleep(_POLL_SECONDS)
        except DemoFailed as error:
            terminal.error(str(error))
            return 1
        except Stopped as stopped:
            terminal.say("Stopping", f"everything, because of {stopped}")
            return 0 if is_ready else stopped.exit_code
        finally:
            ignore_signals()
