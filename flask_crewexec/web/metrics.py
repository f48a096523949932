"""Metrics of the service in Prometheus' text format.

Except for the open streams, all values are read from the database and the broker at each scrape:
the current rows, and counters that are raised in the transactions they count (see
:mod:`flask_crewexec.storage.counters`). So all web processes report the same values, workers need
no port, and counters survive processes and never fall when executions are retried or purged.
Aggregates over the executions would fall, and become slower with each one that is kept. The
multi-process files of prometheus-client work on one machine only, and lose what a killed worker
has committed but not yet counted.

Needs prometheus-client (the extra ``metrics``). To export these metrics with your own::

    REGISTRY.register(CrewExecCollector(app))

Labels are statuses, priorities and names of queues, never users.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing as t
from collections import Counter
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from flask import current_app
from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..app_state import AppState
from ..app_state import current_app_state
from ..errors import BrokerUnavailable
from ..messaging.broker import queue_depths
from ..messaging.queues import CLEANUP_QUEUE
from ..messaging.queues import EXECUTION_QUEUE
from ..models import WorkerMixin
from ..statuses import ACTIVE
from ..statuses import TERMINAL
from ..storage import counters
from ..storage.counters import CounterDelta
from ..storage.queue_stats import count_active
from ..storage.queue_stats import count_on_hold
from ..storage.workers import live_workers
from .stream_metrics import open_streams
from .timeouts import CallTimedOut
from .timeouts import TimeBoundCall

T = t.TypeVar("T")

_ask_database: t.Final = TimeBoundCall()
_ask_broker: t.Final = TimeBoundCall()


class CrewExecCollector(Collector):
    """Collects the metrics of one application at each scrape.

    The database and the broker have ``CREWEXEC_HEALTH_TIMEOUT`` seconds each. For one that does
    not answer, the only metric is ``crewexec_up 0``.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app

    def describe(self) -> Sequence[Metric]:
        """Return nothing; otherwise the registry would collect all metrics on registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return all metrics."""
        with self._app.app_context():
            app_state = current_app_state()
            rows = _or_none(_ask_database, lambda: _read(app_state), app_state)
            depths = _or_none(_ask_broker, lambda: queue_depths(app_state), app_state)
        yield _up(database=rows is not None, broker=depths is not None)
        if rows is not None:
            yield from _database_metrics(rows)
        if depths is not None:
            yield _queues(depths)
        yield from open_streams()


def render(accept: str) -> tuple[bytes, str]:
    """Return the metrics of the current application, and their content type.

    :param accept: the ``Accept`` header of the scraper, which chooses the format.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    registry = CollectorRegistry()
    registry.register(CrewExecCollector(app))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _or_none(ask: TimeBoundCall, action: Callable[[], T], app_state: AppState) -> T | None:
    try:
        return ask(action, app_state.settings.health_timeout)
    except (CallTimedOut, BrokerUnavailable, sa.exc.SQLAlchemyError):
        return None


@dataclasses.dataclass
class _DatabaseState:
    """What is read from the database for one scrape."""

    totals: list[CounterDelta]
    active: dict[str, int]
    on_hold: dict[int, int]
    workers: Sequence[WorkerMixin]

    def counts(self, name: str) -> dict[str, int]:
        """Return the values of a counter by label."""
        return {total.label: total.times for total in self.totals if total.name == name}

    def measured(self, name: str) -> dict[str, list[CounterDelta]]:
        """Return the buckets of a histogram by label."""
        found: dict[str, list[CounterDelta]] = defaultdict(list)
        for total in self.totals:
            if total.name == name:
                found[total.label].append(total)
        return found


def _read(app_state: AppState) -> _DatabaseState:
    totals = counters.read_totals(app_state)
    active, on_hold = count_active(app_state), count_on_hold(app_state)
    return _DatabaseState(totals, active, on_hold, live_workers(app_state))


def _database_metrics(rows: _DatabaseState) -> Iterator[Metric]:
    yield _gauge(
        "executions",
        "Executions that have not ended, by status.",
        "status",
        {status: rows.active.get(status, 0) for status in sorted(ACTIVE)},
    )
    text = "Queued executions on hold, which the scheduler has not released yet."
    yield _gauge("executions_on_hold", text, "priority", rows.on_hold)
    yield from _workers(rows.workers)
    yield from _counters(rows)
    for name, documentation, label in (
        (counters.WAITING, "Seconds that attempts have waited for a worker.", "priority"),
        (counters.RUN, "Seconds that attempts have run, by outcome.", "outcome"),
    ):
        yield _histogram(name, documentation, label, rows.measured(name))


def _counters(rows: _DatabaseState) -> Iterator[Metric]:
    ended = {status: 0 for status in sorted(TERMINAL)} | rows.counts(counters.ENDED)
    yield _counter(counters.ENDED, "Executions that have ended, by status.", ended, "status")
    tokens = {"prompt": 0, "completion": 0} | rows.counts(counters.TOKENS)
    yield _counter(counters.TOKENS, "Prompt and completion tokens of models.", tokens, "kind")
    for name, documentation in (
        (counters.RETRIES, "Attempts that are retried automatically after an error."),
        (counters.LOST_WORKERS, "Attempts that ended because their worker was lost."),
        (counters.MODEL_CALLS, "Model calls."),
    ):
        yield _counter(name, documentation, {"": 0} | rows.counts(name))


def _counter(
    name: str, documentation: str, values: dict[str, int], label: str | None = None
) -> Metric:
    labels = [] if label is None else [label]
    family = CounterMetricFamily(f"crewexec_{name}", documentation, labels=labels)
    for value, count in values.items():
        family.add_metric([value] if labels else [], count)
    return family


def _gauge(name: str, documentation: str, label: str, values: Mapping[t.Any, int]) -> Metric:
    family = GaugeMetricFamily(f"crewexec_{name}", documentation, labels=[label])
    for value, count in values.items():
        family.add_metric([str(value)], count)
    return family


def _histogram(
    name: str, documentation: str, label: str, measured: dict[str, list[CounterDelta]]
) -> Metric:
    family = HistogramMetricFamily(f"crewexec_{name}", documentation, labels=[label])
    for value, found in sorted(measured.items()):
        total = sum(bucket.total for bucket in found)
        family.add_metric([value], _buckets(counters.HISTOGRAM_BUCKETS[name], found), total)
    return family


def _buckets(bounds: Sequence[float], found: list[CounterDelta]) -> list[tuple[str, float]]:
    """Return how many are within each bound; other versions may have stored other bounds."""
    within = [
        sum(bucket.times for bucket in found if bucket.bound is not None and bucket.bound <= bound)
        for bound in bounds
    ]
    everything = sum(bucket.times for bucket in found)
    names = itertools.chain(map(str, bounds), ["+Inf"])
    return list(zip(names, [*within, everything], strict=True))


def _workers(workers: Sequence[WorkerMixin]) -> Iterator[Metric]:
    queues = (EXECUTION_QUEUE, CLEANUP_QUEUE)
    alive: Counter[str] = Counter(dict.fromkeys(queues, 0))
    slots: Counter[str] = Counter(dict.fromkeys(queues, 0))
    for worker in workers:
        for queue in worker.queues:
            alive[queue] += 1
            slots[queue] += worker.concurrency
    yield _gauge("workers", "Workers with a recent heartbeat, by queue.", "queue", alive)
    slots_text = "Tasks that these workers can run at once, by queue."
    yield _gauge("worker_slots", slots_text, "queue", slots)


def _queues(depths: dict[str, dict[int, int]]) -> Metric:
    family = GaugeMetricFamily(
        "crewexec_queue_messages", "Messages in the queue.", labels=["queue", "priority"]
    )
    for queue, by_priority in depths.items():
        for priority, count in by_priority.items():
            family.add_metric([queue, str(priority)], count)
    return family


def _up(**parts: bool) -> Metric:
    return _gauge("up", "Whether a part of the service answers.", "part", parts)
