"""What the extension adds to a host application's start, and a worker to importing CrewAI.

Every start is a process of its own. Seconds of web processes are CPU time, which other work on the
machine does not lengthen as it does the clock's.
"""

from __future__ import annotations

import functools
import os
import statistics
import subprocess
import sys
import time

from support.paths import ROOT

from .contenders import Contender
from .contenders import QUIET
from .contenders import ring
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target

HOST = "the same host without it"

_BARE = """
import psutil
from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

class Base(DeclarativeBase):
    pass

app = Flask("host")
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db = SQLAlchemy(app, model_class=Base)
celery = app.extensions["celery"] = Celery("host", set_as_current=False)
celery.conf.update(broker_url="redis://", result_backend="redis://")
"""
_EXTENDED = """
from flask_crewexec import CrewExec

CrewExec(app, db=db)
"""
_REPORT = """
process = psutil.Process()
times = process.cpu_times()
print(times.user + times.system, process.memory_info().rss / 1e6)
"""


def measure(profile: Profile) -> list[Figure]:
    """Measure time and memory of a web process, and the time until a worker is ready."""
    rounds = profile.pick(7, 21)
    started = alternate(rounds, functools.partial(_start, _BARE + _EXTENDED), lambda: _start(_BARE))
    (cpu, bare_cpu), (memory, bare_memory) = (
        [[start[part] for start in starts] for starts in started] for part in (0, 1)
    )
    return [
        _added("start of a web process, CPU", "s", cpu, bare_cpu, 0.3),
        _added("memory of a started web process", "MB", memory, bare_memory, 20.0),
        _worker(profile),
    ]


def _start(program: str) -> tuple[float, float]:
    """Return the CPU seconds and the megabytes of a new process that runs *program*."""
    done = subprocess.run(
        [sys.executable, "-c", program + _REPORT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def _added(name: str, unit: str, ours: list[float], bare: list[float], limit: float) -> Figure:
    """Return a figure whose target is the reference plus *limit*."""
    base = statistics.median(bare)
    target = Target(round(1 + limit / base, 3), "lower")
    added = statistics.median(ours) - base
    note = f"{added:.2f} {unit} more; {limit:g} {unit} more are allowed."
    return Figure(name, unit, ours, bare, HOST, target, note)


def _worker(profile: Profile) -> Figure:
    with ring(profile.folder) as (ours, _, _):
        for warm_up in (_import_crewai, functools.partial(_ready, ours)):
            warm_up()
        rounds = alternate(profile.pick(3, 9), functools.partial(_ready, ours), _import_crewai)
    note = "Ready means that it consumes messages; CrewAI is imported before the pool is forked."
    return Figure("start of a worker", "s", *rounds, "python -c 'import crewai'", None, note)


def _ready(ours: Contender) -> float:
    """Return the seconds until a worker is ready."""
    start = time.perf_counter()
    with ours.worker(pool="prefork", concurrency=1):
        return time.perf_counter() - start


def _import_crewai() -> float:
    start = time.perf_counter()
    command = [sys.executable, "-c", "import crewai"]
    environment = {**os.environ, **QUIET}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    return time.perf_counter() - start
