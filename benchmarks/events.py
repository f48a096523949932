"""What writing the history of runs costs: CPU time with it, as a ratio to that without.

Run it from a clone with the test dependencies::

    python -m benchmarks.events --runs 20 --rounds 5

Rounds with and without events alternate, so that a machine whose speed drifts does not matter.
"""

from __future__ import annotations

import argparse
import contextlib
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
from services.redis_process import RedisProcess
from services.redis_servers import chosen_redis


@contextlib.contextmanager
def prepared_app(folder: Path) -> Iterator[Flask]:
    """Return the host with all that it needs."""
    with RedisProcess(folder, chosen_redis()) as redis, ScriptedModel(host.KEY) as model:
        app = host.create_app(
            {
                "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/host.sqlite",
                "CELERY_BROKER_URL": redis.url,
                "CELERY_RESULT_BACKEND": redis.url,
                "MODEL_URL": model.base_url,
            }
        )
        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
            yield app


def cpu_seconds(api: Api, runs: int) -> float:
    """Return the CPU time of some runs of three steps, without queueing them."""
    ids = [api.queue(crews.chain("a", "b", "c")) for _ in range(runs)]
    began = time.process_time()
    for id in ids:
        execution.handle({"execution_id": id})
    return time.process_time() - began


def without_events() -> t.ContextManager[object]:
    """Return a context in which nobody writes or announces events."""
    return mock.patch.object(events, "insert")


def ratios(api: Api, runs: int, rounds: int) -> list[float]:
    """Return the ratio of each round."""
    cpu_seconds(api, runs)  # imports and caches
    found = []
    for _ in range(rounds):
        with_them = cpu_seconds(api, runs)
        with without_events():
            found.append(with_them / cpu_seconds(api, runs))
    return found


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.events")
    parser.add_argument("--runs", type=int, default=20, help="runs of a round")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, prepared_app(Path(folder)) as app:
        found = ratios(Api(app.test_client(), "ada"), given.runs, given.rounds)
    low, middle, high = min(found), statistics.median(found), max(found)
    print(f"CPU with events / without: median {middle:.3f} (from {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
