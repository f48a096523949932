"""CPU time of a run with its records, as a ratio to that without them.

The measuring process also runs the crews, one after the other and without a worker.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
import typing as t
from collections.abc import Callable
from unittest import mock

from flask import Flask
from sqlalchemy.orm import Session

from support.api_client import Api

from .contenders import ours_in_process
from .contenders import ring
from .contenders import USER
from .cpu_of_run import cpu_of_run
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target
from .workload import document
from .workload import mark

TASKS = 3
WARM_UP = 5


def measure(profile: Profile) -> list[Figure]:
    """Return the CPU time of a run without its events, and without any of its records."""
    with (
        ring(profile.folder) as services,
        ours_in_process(services.ours.environment) as app,
    ):
        run = _runner(app)
        for _ in range(WARM_UP):
            run()
        gc.freeze()  # imported modules need not be collected again and again
        rounds, runs = profile.pick(5, 9), profile.pick(8, 20)
        return [
            _compare(run, rounds, runs, without_events, "events", 1.05),
            _compare(run, rounds, runs, without_records, "events, steps and lease", 1.10),
        ]


def _runner(app: Flask) -> Callable[[], float]:
    """Return a function that runs a crew and returns its CPU time in milliseconds."""
    api = Api(app.test_client(), USER)
    graph = api.graph(document(TASKS))

    def run() -> float:
        submission = {"graph_id": graph, "inputs": {"topic": mark()}}
        id = api("POST", "/executions", json=submission).json["id"]
        return cpu_of_run(id)

    return run


def _compare(
    run: Callable[[], float],
    rounds: int,
    runs: int,
    without: Callable[[], t.ContextManager[object]],
    what: str,
    limit: float,
) -> Figure:
    """Alternate single runs; a round is the median of its runs."""

    def run_without() -> float:
        with without():
            return run()

    with_it, without_it = alternate(rounds * runs, run, run_without)
    ours, reference = (
        [statistics.median(times[first::rounds]) for first in range(rounds)]
        for times in (with_it, without_it)
    )
    note = f"Each round is the median of {runs} runs of {TASKS} tasks."
    target = Target(limit, "lower")
    return Figure(f"CPU of a run, {what}", "CPU-ms", ours, reference, "without", target, note)


def _do_nothing(*_: object, **__: object) -> None:
    """Replace what is left out."""


def _insert_others(session: Session, *_: object, also_insert: t.Any = (), **__: object) -> None:
    """Insert only the rows that are inserted together with events."""
    from flask_crewexec.storage import cte_writes

    cte_writes.insert_many(session, dict(also_insert))


@contextlib.contextmanager
def without_events() -> t.Iterator[None]:
    """Return a context without writing, counting or publishing events."""
    from flask_crewexec.runtime.recorder import RunRecorder
    from flask_crewexec.storage import event_log

    with (
        mock.patch.object(event_log, "insert_numbered", _insert_others),
        mock.patch.object(RunRecorder, "add_event", _do_nothing),
    ):
        yield


@contextlib.contextmanager
def without_records() -> t.Iterator[None]:
    """Return a context in which a run is started and finished, and writes nothing in between."""
    from flask_crewexec.runtime.recorder import RunRecorder
    from flask_crewexec.runtime.watchdog import Watchdog
    from flask_crewexec.storage import attempts

    methods = ("add_usage", "change_step", "flush")
    nothing: dict[str, t.Any] = dict.fromkeys(methods, _do_nothing)
    with (
        without_events(),
        mock.patch.multiple(RunRecorder, **nothing),
        mock.patch.object(attempts, "_new_steps", return_value=[]),
        mock.patch.object(Watchdog, "monitor", return_value=contextlib.nullcontext()),
    ):
        yield
