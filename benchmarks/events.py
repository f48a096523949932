"""What writing the history of runs costs: CPU time with it, as a ratio to that without.

Run it from a clone with the test dependencies::

    python -m benchmarks.events --runs 150

Runs with and without events alternate, so that a machine whose speed drifts does not matter. On
SQLite the database's own work counts, too: it is done in the same process.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import statistics
import sys
import tempfile
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from flask import Flask

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import crews
import host
from calling import Api
from flask_crewexec import events
from flask_crewexec.tasks import execution
from flask_crewexec.testing import ScriptedModel
from services.postgres import postgres_server
from services.redis_process import RedisProcess
from services.redis_servers import chosen_redis


@contextlib.contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[str]:
    """Return the URL of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/host.sqlite"
        return
    with postgres_server() as server:
        yield server.fresh_database_url()


@contextlib.contextmanager
def prepared_app(folder: Path, database_url: str) -> Iterator[Flask]:
    """Return the host with all that it needs."""
    with RedisProcess(folder, chosen_redis()) as redis, ScriptedModel(host.KEY) as model:
        app = host.create_app(
            {
                "SQLALCHEMY_DATABASE_URI": database_url,
                "CELERY_BROKER_URL": redis.url,
                "CELERY_RESULT_BACKEND": redis.url,
                "MODEL_URL": model.base_url,
            }
        )
        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
            yield app


def cpu_seconds(api: Api) -> float:
    """Return the CPU time of one run of three steps, without queueing it."""
    id = api.queue(crews.chain("a", "b", "c"))
    gc.collect()  # or the garbage of one run would be the work of another
    began = time.process_time()
    execution.handle({"execution_id": id})
    return time.process_time() - began


def without_events() -> t.ContextManager[object]:
    """Return a context in which nobody writes, counts or announces events."""
    return mock.patch.object(events, "insert")


def measure(api: Api, runs: int) -> tuple[list[float], list[float]]:
    """Return the CPU times of runs with events and of as many without."""
    for _ in range(5):  # imports and caches
        cpu_seconds(api)
    with_them, without = [], []
    kinds = [(contextlib.nullcontext, with_them), (without_events, without)]
    for _ in range(runs):
        kinds.reverse()  # neither is always the one behind the other
        for context, times in kinds:
            with context():
                times.append(cpu_seconds(api))
    return with_them, without


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.events")
    parser.add_argument("--runs", type=int, default=150, help="runs of each kind")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(fresh_database(given.database, folder))
        app = stack.enter_context(prepared_app(folder, url))
        with_them, without = measure(Api(app.test_client(), "ada"), given.runs)
    ratio = statistics.median(with_them) / statistics.median(without)
    print(f"CPU of a run, median: {statistics.median(with_them) * 1000:.1f} ms with events,")
    print(f"{statistics.median(without) * 1000:.1f} ms without; ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
