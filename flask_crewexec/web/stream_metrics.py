"""How many streams of events this web server has open.

Where a web server has several processes, each knows only its own. With ``PROMETHEUS_MULTIPROC_DIR``
set, as prometheus-client's documentation describes it, any of them tells the sum.
"""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t
from collections.abc import Iterator

if t.TYPE_CHECKING:
    from prometheus_client import Gauge
    from prometheus_client import Metric

NAME: t.Final = "crewexec_open_streams"
HELP: t.Final = "Streams of events that are open."


@contextlib.contextmanager
def counted_stream() -> Iterator[None]:
    """Count a stream as open meanwhile; without prometheus-client, do nothing."""
    gauge = _gauge()
    if gauge is None:
        yield
        return
    with gauge.track_inprogress():
        yield


def open_streams() -> Iterator[Metric]:
    """Return the number as Prometheus wants it.

    :raises ModuleNotFoundError: without prometheus-client.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        gauge = _gauge()
        return iter(gauge.collect() if gauge else ())
    # The folder holds the host's metrics, too, which are the host's to show.
    collector: t.Any = MultiProcessCollector
    everything = collector(CollectorRegistry()).collect()
    return (metric for metric in everything if metric.name == NAME)


@functools.cache
def _gauge() -> Gauge | None:
    try:
        from prometheus_client import Gauge
    except ModuleNotFoundError:
        return None
    return Gauge(NAME, HELP, registry=None, multiprocess_mode="livesum")
