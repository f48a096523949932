"""What a process has after many runs that it had not after a few, or after its application."""

from __future__ import annotations

import gc
import threading
import typing as t
import weakref
from collections import Counter

import psutil
import pytest
from celery import signals
from flask import Flask

from flask_crewexec.runtime.crewai_shims.public_api import crewai
from flask_crewexec.runtime.watchdog import MonitoredRun
from flask_crewexec.services.async_execution_service import AsyncExecutionService
from flask_crewexec.services.graph_service import GraphService
from support.graphs import documents
from support.host_app import host
from support.in_process import end_of_watch
from support.in_process import run
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough

PUBLISHER = "crewexec-event-publisher"
"""A thread that ends when it was idle for a moment."""
KINDS = (crewai.Agent, crewai.Crew, crewai.Task, MonitoredRun)


def do_runs(count: int) -> None:
    """Run a crew so often; every tenth asks for a tool that raises."""
    graphs = [
        GraphService().create(documents.chain("a", "b"), user_id="ada").graph.id,
        GraphService().create(documents.chain("a", tools=("break_down",)), user_id="ada").graph.id,
    ]
    for number in range(count):
        graph_id = graphs[number % 10 == 9]
        run(
            AsyncExecutionService().queue_execution(
                graph_id=graph_id, thread_id=None, user_id="ada", inputs={}
            )
        )
    end_of_watch()
    wait_until(lambda: PUBLISHER not in names_of_threads(), what="the last announcement")


def names_of_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if not grows_by_itself(thread)]


def grows_by_itself(thread: threading.Thread) -> bool:
    """Whether it belongs to a pool that CrewAI fills up to ten threads, or to the model."""
    return thread.name.startswith(("CrewAI", "Thread-"))


def belongings() -> dict[str, t.Any]:
    """Count what a run makes and has to give back."""
    gc.collect()
    kinds = Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, KINDS))
    return {
        "objects": kinds,
        "handlers": sum(map(len, crewai.events.crewai_event_bus._sync_handlers.values())),
        "threads": names_of_threads(),
    }


def open_files() -> int:
    return psutil.Process().num_fds()


def test_after_500_runs_nothing_is_left_but_what_a_few_leave(app, model):
    do_runs(20)
    before, files = belongings(), open_files()
    do_runs(500)
    # The model closes its ends of connections a moment later, and pools may hold a few more.
    wait_until(lambda: open_files() < files + 20, what="the last sockets to close")
    assert belongings() == before
    assert len(model.calls) >= 520


def receivers() -> int:
    """Count what Celery's signals call when another application is made."""
    gc.collect()
    host.create_app()
    found = (value for value in vars(signals).values() if isinstance(value, signals.Signal))
    return sum(len(signal.receivers) for signal in found)


def test_applications_that_are_not_used_any_more_are_freed(app):
    def use_another() -> weakref.ref[Flask]:
        other = host.create_app()
        with other.app_context():
            do_runs(1)
            other.test_client().get("/crewexec/executions", headers={"X-User": "ada"})
        return weakref.ref(other)

    def let_go() -> None:
        app.extensions["celery"].set_current()
        app.extensions["celery"].set_default()
        gc.collect()

    used = [use_another()]
    let_go()
    before = receivers()
    used += [use_another() for _ in range(3)]
    let_go()
    assert [each() for each in used] == [None] * 4
    assert receivers() == before
