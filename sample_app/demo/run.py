"""The stages of the demo, each with a time limit."""

from __future__ import annotations

import contextlib
import time
import typing as t
from pathlib import Path

from ..seeding import Seeded
from .client import Client
from .errors import DemoFailed
from .models import choose_model
from .models import Model
from .stopping import ignore_signals
from .stopping import signals_stop
from .stopping import Stopped
from .system import System
from .terminal import Terminal

Json = dict[str, t.Any]

CREW_SECONDS = 600.0
_POLL_SECONDS = 0.3


class Options(t.NamedTuple):
    """Options of the command."""

    topic: str
    serve: bool
    scripted: bool
    port: int
    """0 for any free port."""
    home: Path


def run(options: Options) -> int:
    """Run the demo and return the exit code: 0 only if the crew completed."""
    terminal = Terminal()
    with signals_stop(), contextlib.ExitStack() as stack:
        demo = _Demo(options, terminal, stack)
        try:
            demo.run()
        except DemoFailed as error:
            terminal.error(str(error))
        except Stopped as stopped:
            terminal.say("Stopping", f"everything, because of {stopped}")
            return 0 if demo.completed else stopped.exit_code
        finally:
            ignore_signals()
    return 0 if demo.completed else 1


class _Demo:
    """One run of the demo."""

    def __init__(self, options: Options, terminal: Terminal, stack: contextlib.ExitStack) -> None:
        self.completed = False
        self._options = options
        self._terminal = terminal
        self._stack = stack
        self._system = System(options.home, options.port, terminal, stack, concurrency=1)

    def run(self) -> None:
        client, seeded, model = self._system.start(self._choose_model)
        execution_id = self._queue(client, seeded.graphs["fact_page"])
        self._report(self._follow(client, execution_id), model)
        if self._options.serve:
            self._serve(client.url, seeded, execution_id)

    def _choose_model(self) -> Model:
        scripted = self._options.scripted
        return choose_model(self._terminal, self._system.home, self._stack, scripted=scripted)

    def _queue(self, client: Client, graph_id: str) -> str:
        execution_id = client.queue(graph_id, {"topic": self._options.topic})
        topic = f"the graph 'Fact page' about '{self._options.topic}'"
        self._terminal.say("Queued", f"{topic}, over HTTP, as {execution_id}")
        return execution_id

    def _follow(self, client: Client, execution_id: str) -> Json:
        """Print the events until the execution has ended or waits for a retry, and return it."""
        deadline = time.monotonic() + CREW_SECONDS
        seen = 0
        try:
            while True:
                # Read first: if it has ended, the events that follow are complete.
                execution = client.execution(execution_id)
                while events := client.events(execution_id, seen):
                    for event in events:
                        self._terminal.event(event)
                    seen = events[-1]["seq"]
                if execution["finished_at"] or execution["status"] == "retrying":
                    return execution
                self._check(deadline)
                time.sleep(_POLL_SECONDS)
        except BaseException:
            client.cancel(execution_id)
            raise

    def _check(self, deadline: float) -> None:
        self._system.check()
        if time.monotonic() > deadline:
            raise DemoFailed(f"The crew did not end within {CREW_SECONDS:g} seconds.")

    def _report(self, execution: Json, model: Model) -> None:
        if execution["status"] != "completed":
            why = (execution["error"] or {}).get("message", "")
            log = self._system.home / "worker.log"
            raise DemoFailed(f"The execution is '{execution['status']}'. {why} See {log}.")
        self.completed = True
        self._terminal.result(execution, model.label)

    def _serve(self, url: str, seeded: Seeded, execution_id: str) -> None:
        self._terminal.commands(url, seeded, execution_id)
        self._terminal.say("Ready", "until Ctrl-C stops everything")
        while True:
            self._system.check()
            time.sleep(_POLL_SECONDS)
