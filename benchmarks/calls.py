"""CPU time of a run with its call log, as a ratio to that without, and the space of a call.

The measuring process also runs the crews, one after the other and without a worker.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
from collections.abc import Iterator

import sqlalchemy as sa
from flask import Flask

from flask_crewexec.app_state import AppState
from support.api_client import Api

from .contenders import ours_in_process
from .contenders import ring
from .contenders import USER
from .cpu_of_run import cpu_of_run
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target
from .workload import Json
from .workload import mark
from .workload import with_tool

TASKS = 3
WARM_UP = 5
_SPACE = "SELECT pg_total_relation_size('crewexec_call'), sum(size), count(*) FROM crewexec_call"


def measure(profile: Profile) -> list[Figure]:
    """Return the CPU time of a run with and without calls, and what one takes in the database."""
    with (
        ring(profile.folder) as services,
        ours_in_process(services.ours.environment) as app,
    ):
        graph = Api(app.test_client(), USER).graph(with_tool(TASKS, "count_words"))
        usual = app.extensions["crewexec"]
        states = (usual, _without_calls(usual))
        turns = [functools.partial(_run, app, graph, app_state) for app_state in states]
        for turn in turns * WARM_UP:
            turn()
        gc.freeze()  # imported modules need not be collected again and again
        logged, unlogged = alternate(profile.pick(60, 300), *turns)
        return [_cpu(logged, unlogged), _space(services.ours.engine)]


def _cpu(logged: list[float], unlogged: list[float]) -> Figure:
    note = f"{len(logged)} pairs of runs of {TASKS} tasks, each with two tool calls, one by one."
    target = Target(1.05, "lower")
    name = "CPU of a run with its call log"
    return Figure(name, "CPU-ms", logged, unlogged, "without call log", target, note)


def _space(engine: sa.Engine) -> Figure:
    with engine.connect() as connection:
        connection.execute(sa.text("VACUUM crewexec_call"))
        taken, said, calls = connection.execute(sa.text(_SPACE)).one()
    note = f"Of {calls} calls, with their index and the space of rows that were replaced."
    ours, reference = [taken / calls], [float(said) / calls]
    return Figure("space of a call", "bytes", ours, reference, "its texts", note=note)


def _run(app: Flask, graph: str, app_state: AppState) -> float:
    """Run a crew, and return its CPU time in milliseconds."""
    body: Json = {"graph_id": graph, "inputs": {"topic": mark()}}
    id = Api(app.test_client(), USER)("POST", "/executions", json=body).json["id"]
    with _state(app, app_state):
        return cpu_of_run(id)


@contextlib.contextmanager
def _state(app: Flask, app_state: AppState) -> Iterator[None]:
    """Return a context in which an application has another state."""
    usual = app.extensions["crewexec"]
    app.extensions["crewexec"] = app_state
    try:
        yield
    finally:
        app.extensions["crewexec"] = usual


def _without_calls(app_state: AppState) -> AppState:
    """Return the state of an application that records no calls."""
    settings = dataclasses.replace(app_state.settings, call_log="off", resume_in_step=False)
    return dataclasses.replace(app_state, settings=settings)
