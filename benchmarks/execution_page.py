"""Time of the page of a run with six hundred calls, and of a run with one."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path

from flask_crewexec import GraphService
from flask_crewexec.app_state import current_app_state
from support import long_run
from support.servers.postgres import postgres_server
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

from .contenders import NO_MODEL
from .contenders import Ours
from .contenders import ours_in_process
from .contenders import USER
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target
from .reading import Reader

TARGET = Target(3.0, "lower")
LONG = f"{long_run.CALLS} calls in {long_run.STEPS} steps"
SHORT = "one call"
_BEGIN = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)


class _OursWithPages(Ours):
    web_app = "benchmarks.pages:app"


@contextlib.contextmanager
def page_reader(folder: Path) -> Iterator[Reader]:
    """Store both runs, start a web server, and read both pages."""
    with (
        postgres_server() as postgres,
        RedisProcess(folder / "redis", chosen_redis()) as redis,
    ):
        ours = _OursWithPages(folder, postgres.fresh_database_url(), redis.url, NO_MODEL)
        ours.create_tables()
        with ours_in_process(ours.environment):
            ids = {LONG: _insert(long_run.STEPS, long_run.CALLS_OF_STEP), SHORT: _insert(1, 1)}
        paths = {name: [f"/crewexec-dashboard/executions/{id}"] for name, id in ids.items()}
        with ours.web() as web, Reader(ours.name, web.url, len(ids), paths) as reader:
            for name in itertools.chain.from_iterable(itertools.repeat(reader.names, 20)):
                reader.milliseconds(name)
            yield reader


def _insert(steps: int, calls_of_step: int) -> str:
    stored = GraphService().create(long_run.document(steps), USER)
    size = {"steps": steps, "calls_of_step": calls_of_step}
    return long_run.insert(current_app_state(), str(stored.graph.id), USER, _BEGIN, **size)


def measure(profile: Profile) -> list[Figure]:
    """Measure both pages alternately."""
    rounds = profile.pick(100, 300)
    with page_reader(profile.folder) as reader:
        times = alternate(
            rounds, lambda: reader.milliseconds(LONG), lambda: reader.milliseconds(SHORT)
        )
    return [Figure(f"page of a run with {LONG}", "ms", *times, f"a run with {SHORT}", TARGET)]
