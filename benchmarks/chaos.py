"""Queue many executions, inject faults, and check that nothing was lost or repeated.

Each step asks the model twice, and makes two tool calls at once in between, whose effects are rows
of a table of their own.

Run it from a clone with the test dependencies::

    python -m benchmarks.chaos --executions 200 --seed 1

The seed decides the order of the faults; their timing depends on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import functools
import json
import logging
import random
import re
import signal
import sys
import tempfile
import threading
import time
import typing as t
import uuid
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import psutil
import sqlalchemy as sa
from flask import Flask

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from flask_crewexec.models import Models
from flask_crewexec.runtime.call_log.contents import Content
from flask_crewexec.runtime.call_log.log import OpenCall
from flask_crewexec.runtime.call_log.scopes import Scope
from flask_crewexec.statuses import CallKind
from flask_crewexec.tasks import cleanup
from flask_crewexec.testing import Call
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.fast_settings import FAST
from support.graphs import documents
from support.host_app import host
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn
from support.servers.broker_faults import empty
from support.servers.broker_faults import fill
from support.servers.broker_faults import make_read_only
from support.servers.broker_faults import promote
from support.servers.celery_nodes import WorkerProcess
from support.servers.postgres import postgres_server
from support.servers.postgres import PostgresProcess
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import chosen_redis

TESTS = Path(__file__).parents[1] / "tests"
STEPS = 2
CALLS = 2
"""How often a step asks the model."""
TOOL = "leave_effect"
TOOL_SECONDS = 0.15
"""How long a tool works before its effect, and after it."""
EFFECTS = "create table effect (call_id text not null, text text not null)"
MAX_SHOWN = 50
"""How many violations are printed."""
FINAL = frozenset({"completed", "failed", "cancelled", "timed_out"})
STEP = re.compile(r"Do (run\d+_step\d+)\b")
"""Finds the step in a prompt."""
QUEUES = "crew_execution*"
"""Pattern of the Redis lists with the messages, one for each priority."""
SETTINGS: dict[str, object] = {
    **{f"CREWEXEC_{name}": value for name, value in FAST.items()},
    "CREWEXEC_MAX_WORKER_LOSSES": 1000,
}
"""With so many permitted losses, no execution fails because of its workers."""
THAW_SECONDS = 2.0
"""How long a worker that was frozen may take to send the call that it was about to send."""
FROZEN_SECONDS = FAST["LEASE_SECONDS"] + 1.0
"""How long a worker stands still: its runs are taken over before it goes on."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Size and duration of the run."""

    executions: int = 200
    seconds: float = 600.0
    """Time limit for all executions."""
    seed: int = 1
    pools: tuple[tuple[str, int], ...] = (("prefork", 2), ("prefork", 2), ("threads", 4))
    """Pool and concurrency of each worker."""
    model_delay: float = 0.3
    """Seconds until the model answers."""
    pauses: tuple[float, float] = (0.2, 2.0)
    """Shortest and longest pause between two faults, in seconds."""


@dataclasses.dataclass
class Report:
    """What was done, and the violations that were found."""

    executions: int = 0
    completed: int = 0
    model_calls: int = 0
    repeated_calls_of_interrupted_steps: int = 0
    calls_held_back_by_a_freeze: int = 0
    """Of completed steps, by workers that were frozen between their last check and the call."""
    tool_calls: int = 0
    """Stored ones; those that were interrupted are stored once for each time they were made."""
    tool_calls_interrupted: int = 0
    tool_calls_failed: int = 0
    """Because the database was away."""
    effects: int = 0
    repeated_effects_of_interrupted_calls: int = 0
    workers_killed: int = 0
    workers_frozen: int = 0
    children_killed: int = 0
    database_crashes: int = 0
    broker_bounces: int = 0
    broker_fills: int = 0
    broker_demotions: int = 0
    messages_doubled: int = 0
    messages_dropped: int = 0
    taken_over: int = 0
    republished: int = 0
    seconds: float = 0.0
    violations: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        return table_of(self)


def table_of(report: t.Any) -> str:
    """Return the counts of a dataclass, line by line, and its first ``violations``."""
    counts = dataclasses.asdict(report)
    violations = counts.pop("violations")
    lines = [f"{name.replace('_', ' '):36}{value:>8.5g}" for name, value in counts.items()]
    found = (f"VIOLATED: {line}" for line in violations[:MAX_SHOWN])
    return "\n".join([*lines, *found])


class System(t.NamedTuple):
    """The running application, servers and workers."""

    app: Flask
    postgres: PostgresProcess
    redis: RedisProcess
    model: ScriptedModel
    workers: list[WorkerProcess]

    @property
    def models(self) -> Models:
        return t.cast(Models, self.app.extensions["crewexec"].models)

    def rows(self, query: sa.Executable) -> list[t.Any]:
        """Return the rows of a query."""
        with self.app.app_context(), self.app.extensions["sqlalchemy"].engine.connect() as link:
            return list(link.execute(query))

    def all_ended(self) -> bool:
        """Return whether all executions have a final status."""
        execution = self.models.execution
        return not self.rows(sa.select(execution.id).where(execution.status.not_in(FINAL)).limit(1))


def run_chaos(options: Options, folder: Path) -> Report:
    """Run the executions while faults are injected, and return a report.

    :param folder: folder for the logs of servers and workers.
    """
    report = Report(options.executions)
    with start_system(options, folder) as system:
        start = time.monotonic()
        queue_all(system.app, options)
        deadline = start + options.seconds
        with reconciling(system.app, report), FaultInjector(system, options, report) as faults:
            faults.inject_until(lambda: system.all_ended() or time.monotonic() > deadline)
        report.seconds = time.monotonic() - start
        Audit(system, report, faults.thaws).run()
    return report


@contextlib.contextmanager
def start_system(options: Options, folder: Path) -> Iterator[System]:
    """Start the servers, the model and the workers, and stop them at the end."""
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        redis = stack.enter_context(RedisProcess(folder / "redis", chosen_redis()))
        model = stack.enter_context(ScriptedModel(host.KEY)).add(*_turns(options.model_delay))
        environment = {
            "DATABASE_URL": postgres.fresh_database_url(),
            "CELERY_BROKER_URL": redis.url,
            "CELERY_RESULT_BACKEND": redis.url,
            "MODEL_URL": model.base_url,
        }
        app = stack.enter_context(running_app(environment))
        workers = [
            stack.enter_context(
                make_worker(f"worker{number}", pool, concurrency, environment, folder)
            )
            for number, (pool, concurrency) in enumerate(options.pools)
        ]
        yield System(app, postgres, redis, model, workers)


def _turns(delay: float) -> list[Turn]:
    """Return how the model answers: with two tool calls, then with a text."""
    both = ("left", "right")
    calls = tool_calls(*((TOOL, {"text": text, "seconds": TOOL_SECONDS}) for text in both))
    return [
        Turn(raw=calls, results=0, delay=delay),
        Turn(reply="DONE", results=2, delay=delay),
    ]


@contextlib.contextmanager
def running_app(environment: dict[str, str]) -> Iterator[Flask]:
    """Create the host and its tables."""
    database = {
        "SQLALCHEMY_DATABASE_URI": environment["DATABASE_URL"],
        # A pool would keep connections of a server that has crashed.
        "SQLALCHEMY_ENGINE_OPTIONS": {"poolclass": sa.NullPool},
    }
    app = host.create_app({**SETTINGS, **environment, **database})
    db = app.extensions["sqlalchemy"]
    with app.app_context():
        db.create_all()
        db.session.execute(sa.text(EFFECTS))
        db.session.commit()
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()


def make_worker(
    name: str, pool: str, concurrency: int, environment: dict[str, str], folder: Path
) -> WorkerProcess:
    settings = {f"HOST_{key}": json.dumps(value) for key, value in SETTINGS.items()}
    variables = {**settings, **environment, "PYTHONPATH": str(TESTS)}
    options: dict[str, t.Any] = {"pool": pool, "concurrency": concurrency}
    return WorkerProcess(folder, variables, name=name, app="support.host_app.worker", **options)


def queue_all(app: Flask, options: Options) -> None:
    """Queue the executions with all priorities."""
    api = Api(app.test_client(), "ada")
    for number in range(options.executions):
        document = documents.chain(*_steps_of(number), tools=(TOOL,))
        api.queue(document, priority=number % 10 + 1)


def _steps_of(number: int) -> list[str]:
    return [f"run{number}_step{step}" for step in range(STEPS)]


@contextlib.contextmanager
def reconciling(app: Flask, report: Report, interval: float = 0.2) -> Iterator[None]:
    """Reconcile continuously, as beat and a worker would."""
    stopped = threading.Event()

    def reconcile() -> None:
        with app.app_context():
            while not stopped.wait(interval):
                # A worker would only log that the database was away.
                with contextlib.suppress(sa.exc.OperationalError):
                    counts = cleanup.handle({"action": "reconcile"})
                    report.taken_over += counts["taken_over"]
                    report.republished += counts["republished"]

    thread = threading.Thread(target=_reporting(reconcile, report), name="reconciler")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _reporting(action: Callable[[], None], report: Report) -> Callable[[], None]:
    def act() -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001  # the report shows it
            report.violations.append(f"{action.__qualname__} raised {error!r}")

    return act


class FaultInjector:
    """Injects one fault after the other."""

    def __init__(self, system: System, options: Options, report: Report) -> None:
        self._system = system
        self._report = report
        self._pauses = options.pauses
        self._random = random.Random(options.seed)
        self._orphans: list[psutil.Process] = []
        self._away: dict[WorkerProcess, threading.Thread] = {}
        """What lets each worker come back that was killed or frozen."""
        self._never = threading.Event()
        self.thaws: list[dt.datetime] = []
        """When frozen workers went on."""
        # Messages first: while the workers run their first executions, most are in the queue.
        self._faults = (
            self._double_messages,
            self._drop_messages,
            self._bounce_broker,
            self._fill_broker,
            self._demote_broker,
            self._crash_database,
            self._freeze_worker,
            self._kill_child,
            self._kill_worker,
        )

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wait_for_workers()
        _kill(self._orphans)

    def inject_until(self, has_ended: Callable[[], bool]) -> None:
        """Inject each fault once, then random ones until *has_ended*."""
        for fault in self._faults:
            fault()
            self._pause()
            self._wait_for_workers()  # some faults need all of them
        while not has_ended():
            self._random.choice(self._faults)()
            self._pause()

    def _pause(self) -> None:
        self._never.wait(self._random.uniform(*self._pauses))

    def _wait_for_workers(self) -> None:
        for comeback in self._away.values():
            comeback.join()

    def _freeze_worker(self) -> None:
        """Let a worker and its children stand still until their leases have expired."""
        if worker := self._dispensable_worker():
            self._report.workers_frozen += 1
            self._send_away(worker, lambda: self._freeze(worker))

    def _freeze(self, worker: WorkerProcess) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):  # a child may just have been replaced
            worker.suspend()
        self._never.wait(FROZEN_SECONDS)
        self.thaws.append(dt.datetime.now(dt.UTC))
        worker.resume()

    def _kill_worker(self) -> None:
        """Kill a worker's main process; its children are killed too, or continue as orphans."""
        worker = self._dispensable_worker()
        if worker is None:
            return
        children = worker.children()
        worker.kill()
        if self._random.random() < 0.5:
            _kill(children)
        else:
            self._orphans += children
        self._report.workers_killed += 1
        self._send_away(worker, worker.start)

    def _send_away(self, worker: WorkerProcess, come_back: Callable[[], None]) -> None:
        """Count a worker as away until the function has ended."""
        thread = threading.Thread(target=_reporting(come_back, self._report))
        self._away[worker] = thread
        thread.start()

    def _dispensable_worker(self) -> WorkerProcess | None:
        """Choose a worker; none while another one is away, since all could be."""
        running = self._running_workers()
        if len(running) < len(self._system.workers):
            return None
        return self._random.choice(running)

    def _running_workers(self) -> list[WorkerProcess]:
        """Return the workers that are not away."""
        away = {worker for worker, comeback in self._away.items() if comeback.is_alive()}
        return [worker for worker in self._system.workers if worker not in away]

    def _kill_child(self) -> None:
        """Kill a process of a pool, which the pool replaces."""
        children = [child for worker in self._running_workers() for child in worker.children()]
        if children:
            _kill([self._random.choice(children)])
            self._report.children_killed += 1

    def _bounce_broker(self) -> None:
        """Kill the broker, and start it again without data."""
        self._system.redis.kill()
        self._pause()
        self._system.redis.start()
        self._report.broker_bounces += 1

    def _fill_broker(self) -> None:
        """Let the broker refuse what needs memory."""
        fill(self._system.redis)
        self._pause()
        empty(self._system.redis)
        self._report.broker_fills += 1

    def _demote_broker(self) -> None:
        """Make the broker a replica, as a failover does, and the primary again."""
        make_read_only(self._system.redis)
        self._pause()
        promote(self._system.redis)
        self._report.broker_demotions += 1

    def _crash_database(self) -> None:
        """End PostgreSQL without a checkpoint, and start it again, which recovers the data."""
        postgres = self._system.postgres
        postgres.kill(signal.SIGQUIT)
        postgres.ended()
        self._pause()
        postgres.start()
        self._report.database_crashes += 1

    def _double_messages(self) -> None:
        with self._system.redis.client() as client:
            for key, message in self._some_messages():
                client.lpush(key, message)
                self._report.messages_doubled += 1

    def _drop_messages(self) -> None:
        with self._system.redis.client() as client:
            for key, message in self._some_messages():
                self._report.messages_dropped += t.cast(int, client.lrem(key, 1, message))

    def _some_messages(self) -> list[tuple[str, str]]:
        """Choose from one to half of the queued messages, with the names of their lists."""
        with self._system.redis.client() as client:
            waiting = [
                (key, message)
                for key in sorted(client.scan_iter(QUEUES))
                for message in client.lrange(key, 0, -1)
            ]
        limit = min(len(waiting), 1 + len(waiting) // 2)
        return self._random.sample(waiting, self._random.randint(min(1, limit), limit))


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


class Audit:
    """Compares the database with the calls that the model received."""

    def __init__(self, system: System, report: Report, thaws: Sequence[dt.datetime]) -> None:
        self._system = system
        self._report = report
        self._thaws = thaws
        self._calls: dict[str, list[Call]] = {}
        for call in system.model.calls:
            self._calls.setdefault(_step_of(call), []).append(call)

    def run(self) -> None:
        """Complete the report."""
        counts = [len(calls) for calls in self._calls.values()]
        self._report.model_calls = sum(counts)
        self._report.repeated_calls_of_interrupted_steps = sum(counts) - CALLS * len(counts)
        self._check_executions()
        self._check_steps()
        self._check_events()
        self._check_answers()
        self._check_effects()

    def _violated(self, what: str) -> None:
        self._report.violations.append(what)

    def _check_executions(self) -> None:
        """Check that all executions completed and counted at least the calls of the model."""
        execution = self._system.models.execution
        rows = self._system.rows(sa.select(execution.id, execution.status, execution.llm_calls))
        received = self._calls_by_execution()
        if len(rows) != self._report.executions:
            self._violated(f"{len(rows)} executions are in the database")
        for id, status, llm_calls in rows:
            if status != "completed":
                self._violated(f"Execution {id} is '{status}'")
            elif llm_calls < max(STEPS * CALLS, received[id]):
                self._violated(f"Execution {id} counts {llm_calls} calls of {received[id]}")
        self._report.completed = sum(row.status == "completed" for row in rows)

    def _calls_by_execution(self) -> Counter[uuid.UUID]:
        step = self._system.models.step
        received: Counter[uuid.UUID] = Counter()
        for id, node in self._system.rows(sa.select(step.execution_id, step.node_id)):
            received[id] += len(self._calls.get(node, ()))
        return received

    def _check_steps(self) -> None:
        """Check that no step called the model after it had completed.

        A worker checks its lease before each call. One that is frozen between the two cannot know.
        """
        step = self._system.models.step
        wall_clock = time.time() - time.monotonic()
        for node, finished_at in self._system.rows(sa.select(step.node_id, step.finished_at)):
            for call in self._calls.get(node, ()):
                arrived_at = dt.datetime.fromtimestamp(wall_clock + call.arrived_at, dt.UTC)
                if finished_at is None or arrived_at <= finished_at:
                    continue
                if self._follows_a_thaw(arrived_at):
                    self._report.calls_held_back_by_a_freeze += 1
                else:
                    self._violated(f"{node}, completed at {finished_at}, called at {arrived_at}")

    def _follows_a_thaw(self, moment: dt.datetime) -> bool:
        latest = dt.timedelta(seconds=THAW_SECONDS)
        return any(thaw <= moment <= thaw + latest for thaw in self._thaws)

    def _check_events(self) -> None:
        """Check that each step completed once."""
        event = self._system.models.event
        query = sa.select(event.data).where(event.type == "step_completed")
        completions = Counter(row.data["step"] for row in self._system.rows(query))
        for number in range(self._report.executions):
            for step in _steps_of(number):
                if completions[step] != 1:
                    self._violated(f"{step} was completed {completions[step]} times")

    def _check_answers(self) -> None:
        """Check that no answer, and no result of a tool, was stored twice."""
        done = Counter(
            (row.call_id, row.kind, row.digest) for row in self._stored if row.status == "done"
        )
        for (id, kind, _), times in done.items():
            if times != 1:
                self._violated(f"The {kind} call {id} was done {times} times")

    def _check_effects(self) -> None:
        """Check that each finished tool call has had its effect, and that it was not made again.

        A call whose worker was lost may have had its effect: it is repeated.
        """
        made = Counter(row.call_id for row in self._system.rows(sa.text("select * from effect")))
        stored: dict[str, list[StoredCall]] = {}
        for call in self._stored:
            if call.kind == "tool":
                stored.setdefault(call.call_id, []).append(call)
        for id in made.keys() - stored.keys():
            self._violated(f"The effect of {id} belongs to no call")
        for id, calls in stored.items():
            self._check_effects_of(id, calls, made[id])
        self._report.effects = made.total()

    def _check_effects_of(self, id: str, calls: Sequence[StoredCall], made: int) -> None:
        """Check the calls with an *id*, in the order in which they were made."""
        states = [call.status for call in calls]
        self._report.tool_calls += len(calls)
        self._report.tool_calls_interrupted += states.count("unknown")
        self._report.tool_calls_failed += states.count("failed")
        self._report.repeated_effects_of_interrupted_calls += max(0, made - 1)
        if not states.count("done") <= made <= len(calls):
            self._violated(f"{made} effects of the calls {id}: {states}")
        if "done" in states[:-1]:
            self._violated(f"The finished call {id} was made again: {states}")

    @functools.cached_property
    def _stored(self) -> list[StoredCall]:
        call = self._system.models.call
        columns = (call.kind, call.digest, call.status)
        key = (call.execution_id, call.step, call.generation, call.path)
        return [
            StoredCall(_call_id(*row[: len(key)]), *row[len(key) :])
            for row in self._system.rows(sa.select(*key, *columns).order_by(call.number))
        ]


class StoredCall(t.NamedTuple):
    """A row of the call log."""

    call_id: str
    """What ``current_execution.call_id`` is in the call; the same if it is made again."""
    kind: str
    digest: str | None
    status: str


def _call_id(execution_id: uuid.UUID, step: int, generation: int, path: str) -> str:
    """Return the id that is documented to be the same when a call is made again."""
    scope = Scope(step, generation)
    call = OpenCall(None, scope, CallKind.TOOL, TOOL, None, path, Content(None, 0, False))
    return call.unique_id(execution_id)


def _step_of(call: Call) -> str:
    found = STEP.search(call.prompt)
    return found[1] if found else "unknown"


def main() -> int:
    """Run the command line; return 1 if there was a violation."""
    defaults = Options()
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.chaos")
    parser.add_argument("--executions", type=int, default=defaults.executions)
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="time limit")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument(
        "--delay", type=float, default=defaults.model_delay, help="seconds until the model answers"
    )
    parser.add_argument("--logs", type=Path, help="folder for the logs")
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="crewexec-chaos-") as temporary:
        folder = given.logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        options = Options(given.executions, given.seconds, given.seed, model_delay=given.delay)
        report = run_chaos(options, folder)
    print(report)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
