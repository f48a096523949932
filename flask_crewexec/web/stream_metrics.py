"""Gauge of the open event streams of this web server.

If a web server has several processes, each knows only its own streams. With
``PROMETHEUS_MULTIPROC_DIR``, as described in the documentation of prometheus-client, each of them
reports the sum.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import typing as t
from collections.abc import Iterator

from .metric_families import OPEN_STREAMS

if t.TYPE_CHECKING:
    from prometheus_client import Gauge
    from prometheus_client import Metric


_creating: t.Final = threading.Lock()


@contextlib.contextmanager
def counted_stream() -> Iterator[None]:
    """Count a stream as open within the block; without prometheus-client, do nothing."""
    gauge = _gauge()
    if gauge is None:
        yield
        return
    with gauge.track_inprogress():
        yield


def open_streams() -> Iterator[Metric]:
    """Return the number of open streams as metrics.

    :raises ModuleNotFoundError: if prometheus-client is not installed.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        gauge = _gauge()
        return iter(gauge.collect() if gauge else ())
    # The folder also has the host's own metrics, which the host exports itself.
    collector: t.Any = MultiProcessCollector
    metrics = collector(CollectorRegistry()).collect()
    return (metric for metric in metrics if metric.name == OPEN_STREAMS.name)


def _gauge() -> Gauge | None:
    with _creating:  # the first streams may be opened at the same moment
        return _create_gauge()


@functools.cache
def _create_gauge() -> Gauge | None:
    try:
        from prometheus_client import Gauge
    except ModuleNotFoundError:
        return None
    name, meaning = OPEN_STREAMS.name, OPEN_STREAMS.meaning
    return Gauge(name, meaning, registry=None, multiprocess_mode="livesum")
