"""The figures of the service in Prometheus' text format.

Everything but the open streams comes from the database and the broker at the moment of the scrape:
what stands still there, and what was counted in the transactions that made it so (see
:mod:`flask_crewexec.storage.counters`). So all web processes tell the same, workers need no port
of their own, and a counter neither forgets when a process ends nor falls when executions are tried
again or purged. Aggregates over the executions themselves would fall then, and cost more with each
one that is kept; prometheus-client's files for several processes hold on one machine only, and lose
what a killed worker had committed but not yet counted.

Needs prometheus-client (the extra ``metrics``). To show the figures among your own::

    REGISTRY.register(CrewExecCollector(app))

Labels hold states, priorities and names of queues, never users.
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
    """The figures of one application, asked for at each scrape.

    The database and the broker have ``CREWEXEC_HEALTH_TIMEOUT`` seconds each; of one that does not
    answer there is nothing but ``crewexec_up 0``.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app

    def describe(self) -> Sequence[Metric]:
        """Return nothing: the registry would otherwise ask for all figures when it is told."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return all figures."""
        with self._app.app_context():
            app_state = current_app_state()
            figures = _or_none(_ask_database, lambda: _read(app_state), app_state)
            depths = _or_none(_ask_broker, lambda: queue_depths(app_state), app_state)
        yield _up(database=figures is not None, broker=depths is not None)
        if figures is not None:
            yield from _of_database(figures)
        if depths is not None:
            yield _queues(depths)
        yield from open_streams()


def render(accept: str) -> tuple[bytes, str]:
    """Return the figures of the current application, and their content type.

    :param accept: the header that says which format the scraper wants.
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
class _Figures:
    """What the database knows."""

    tallies: list[CounterDelta]
    unfinished: dict[str, int]
    on_hold: dict[int, int]
    workers: Sequence[WorkerMixin]

    def counts(self, name: str) -> dict[str, int]:
        """Return a counter by its label."""
        return {tally.label: tally.times for tally in self.tallies if tally.name == name}

    def measured(self, name: str) -> dict[str, list[CounterDelta]]:
        """Return the buckets of a histogram by its label."""
        found: dict[str, list[CounterDelta]] = defaultdict(list)
        for tally in self.tallies:
            if tally.name == name:
                found[tally.label].append(tally)
        return found


def _read(app_state: AppState) -> _Figures:
    with app_state.database.read_session() as session:
        counted = counters.read_totals(session, app_state.models)
    unfinished, on_hold = count_active(app_state), count_on_hold(app_state)
    return _Figures(counted, unfinished, on_hold, live_workers(app_state))


def _of_database(figures: _Figures) -> Iterator[Metric]:
    yield _gauge(
        "executions",
        "Executions that have not ended, by status.",
        "status",
        {state: figures.unfinished.get(state, 0) for state in sorted(ACTIVE)},
    )
    text = "Queued executions without a message: they wait for their user's turn."
    yield _gauge("executions_on_hold", text, "priority", figures.on_hold)
    yield from _workers(figures.workers)
    yield from _counters(figures)
    for name, documentation, label in (
        (counters.WAITING, "Seconds that attempts have waited for a worker.", "priority"),
        (counters.RUN, "Seconds that attempts have run, by what came of them.", "outcome"),
    ):
        yield _histogram(name, documentation, label, figures.measured(name))


def _counters(figures: _Figures) -> Iterator[Metric]:
    ended = {state: 0 for state in sorted(TERMINAL)} | figures.counts(counters.ENDED)
    yield _counter(counters.ENDED, "Executions that have ended, by status.", ended, "status")
    tokens = {"prompt": 0, "completion": 0} | figures.counts(counters.TOKENS)
    yield _counter(counters.TOKENS, "Tokens that models have read and written.", tokens, "kind")
    for name, documentation in (
        (counters.RETRIES, "Attempts that are made again by themselves after an error."),
        (counters.LOST_WORKERS, "Attempts that ended with their worker."),
        (counters.MODEL_CALLS, "Calls of models."),
    ):
        yield _counter(name, documentation, {"": 0} | figures.counts(name))


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
        total = sum(tally.total for tally in found)
        family.add_metric([value], _buckets(counters.HISTOGRAM_BUCKETS[name], found), total)
    return family


def _buckets(bounds: Sequence[float], found: list[CounterDelta]) -> list[tuple[str, float]]:
    """Return how many are within each bound; another version may have had other bounds."""
    within = [
        sum(tally.times for tally in found if tally.bound is not None and tally.bound <= bound)
        for bound in bounds
    ]
    everything = sum(tally.times for tally in found)
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
    yield _gauge("workers", "Workers that were heard of lately, by queue.", "queue", alive)
    slots_text = "Tasks that these workers can run at once, by queue."
    yield _gauge("worker_slots", slots_text, "queue", slots)


def _queues(depths: dict[str, dict[int, int]]) -> Metric:
    family = GaugeMetricFamily(
        "crewexec_queue_messages", "Messages that wait.", labels=["queue", "priority"]
    )
    for queue, by_priority in depths.items():
        for priority, count in by_priority.items():
            family.add_metric([queue, str(priority)], count)
    return family


def _up(**parts: bool) -> Metric:
    return _gauge("up", "Whether a part of the service answers.", "part", parts)
