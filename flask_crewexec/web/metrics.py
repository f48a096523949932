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

:mod:`flask_crewexec.web.metric_families` lists all metrics.
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
from ..models import WorkerMixin
from ..services.readiness import check_all
from ..services.time_bound_call import CallTimedOut
from ..services.time_bound_call import TimeBoundCall
from ..statuses import ACTIVE
from ..statuses import TERMINAL
from ..storage import counters
from ..storage.counters import CounterDelta
from ..storage.deliveries import Backlog
from ..storage.deliveries import read_backlog
from ..storage.queue_pause import read_pause
from ..storage.queue_stats import count_active
from ..storage.queue_stats import count_on_hold
from ..storage.queue_stats import OpenInputs
from ..storage.queue_stats import read_open_inputs
from ..storage.workers import live_workers
from . import metric_families as families
from .metric_families import MetricFamily
from .stream_metrics import open_streams

T = t.TypeVar("T")

_ask_database: t.Final = TimeBoundCall()
_ask_broker: t.Final = TimeBoundCall()


class CrewExecCollector(Collector):
    """Collects the metrics of one application at each scrape.

    Each question to the database and the broker may take ``CREWEXEC_HEALTH_TIMEOUT`` seconds. For
    one that does not answer, the only metric is ``crewexec_up 0``.
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
            checks = check_all(app_state)
        yield _up(
            database=rows is not None and checks["database"].passed,
            broker=depths is not None and checks["broker"].passed,
        )
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
    notifications: Backlog
    inputs: OpenInputs
    is_paused: bool

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
    workers, backlog = live_workers(app_state), read_backlog(app_state)
    inputs, is_paused = read_open_inputs(app_state), read_pause(app_state) is not None
    return _DatabaseState(totals, active, on_hold, workers, backlog, inputs, is_paused)


def _database_metrics(rows: _DatabaseState) -> Iterator[Metric]:
    active = {status: rows.active.get(status, 0) for status in sorted(ACTIVE)}
    yield _gauge(families.EXECUTIONS, active)
    yield _gauge(families.EXECUTIONS_ON_HOLD, rows.on_hold)
    yield _gauge(families.QUEUE_PAUSED, {"": rows.is_paused})
    yield from _workers(rows.workers)
    yield from _counters(rows)
    yield _gauge(families.NOTIFICATIONS_WAITING, {"": rows.notifications.waiting})
    yield _gauge(families.NOTIFICATION_DELAY, {"": rows.notifications.delay})
    yield _gauge(families.INPUT_REQUESTS, {"": rows.inputs.open})
    yield _gauge(families.INPUT_REQUEST_AGE, {"": rows.inputs.oldest})
    yield _histogram(families.INPUT_SECONDS, counters.INPUT, rows)
    yield _histogram(families.WAITING_SECONDS, counters.WAITING, rows)
    yield _histogram(families.RUN_SECONDS, counters.RUN, rows)


def _counters(rows: _DatabaseState) -> Iterator[Metric]:
    ended = {status: 0 for status in sorted(TERMINAL)} | rows.counts(counters.ENDED)
    yield _counter(families.EXECUTIONS_ENDED, ended)
    told = {"delivered": 0, "failed": 0} | rows.counts(counters.NOTIFICATIONS)
    yield _counter(families.NOTIFICATIONS, told)
    tokens = {"prompt": 0, "completion": 0} | rows.counts(counters.TOKENS)
    yield _counter(families.TOKENS, tokens)
    for family, name in (
        (families.RETRIES, counters.RETRIES),
        (families.LOST_WORKERS, counters.LOST_WORKERS),
        (families.MODEL_CALLS, counters.MODEL_CALLS),
        (families.PURGED_CALLS, counters.PURGED_CALLS),
    ):
        yield _counter(family, {"": 0} | rows.counts(name))


def _counter(family: MetricFamily, values: dict[str, int]) -> Metric:
    metric = CounterMetricFamily(family.name, family.meaning, labels=family.labels)
    for value, count in values.items():
        metric.add_metric([value] if family.labels else [], count)
    return metric


def _gauge(family: MetricFamily, values: Mapping[t.Any, float]) -> Metric:
    metric = GaugeMetricFamily(family.name, family.meaning, labels=family.labels)
    for value, count in values.items():
        metric.add_metric([str(value)] if family.labels else [], count)
    return metric


def _histogram(family: MetricFamily, name: str, rows: _DatabaseState) -> Metric:
    metric = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
    for value, found in sorted(rows.measured(name).items()):
        total = sum(bucket.total for bucket in found)
        metric.add_metric([value], _buckets(counters.HISTOGRAM_BUCKETS[name], found), total)
    return metric


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
    queues = current_app_state().settings.queues
    alive: Counter[str] = Counter(dict.fromkeys(queues, 0))
    slots: Counter[str] = Counter(dict.fromkeys(queues, 0))
    draining: Counter[str] = Counter(dict.fromkeys(queues, 0))
    for worker in workers:
        for queue in worker.queues:
            alive[queue] += 1
            slots[queue] += worker.concurrency if worker.drain is None else 0
            draining[queue] += worker.drain is not None
    yield _gauge(families.WORKERS, alive)
    yield _gauge(families.WORKER_SLOTS, slots)
    yield _gauge(families.WORKERS_DRAINING, draining)


def _queues(depths: dict[str, dict[int, int]]) -> Metric:
    family = families.QUEUE_MESSAGES
    metric = GaugeMetricFamily(family.name, family.meaning, labels=family.labels)
    for queue, by_priority in depths.items():
        for priority, count in by_priority.items():
            metric.add_metric([queue, str(priority)], count)
    return metric


def _up(**parts: bool) -> Metric:
    return _gauge(families.UP, parts)
