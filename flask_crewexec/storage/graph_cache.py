"""LRU cache of parsed graph versions, which are immutable and expensive to parse."""

from __future__ import annotations

import json
import threading
import typing as t
import uuid
from collections import OrderedDict

from sqlalchemy.orm import Session

from .. import graphs
from ..models import Models
from ..per_app import AppLocal

MAX_BYTES: t.Final = 10_000_000
"""Approximate size of the cache of one application in one process."""
_BASE_BYTES: t.Final = 5_000
"""Size of a parsed graph in addition to its document."""
_BYTES_PER_CHARACTER: t.Final = 10
"""Size of a parsed graph with large schemas per character of its document as JSON."""


class Version(t.NamedTuple):
    """Key of a graph's document."""

    graph_id: uuid.UUID
    number: int


class GraphCache:
    """Parsed graphs of one application; the least recently used ones are removed first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._graphs: OrderedDict[Version, tuple[graphs.Graph, int]] = OrderedDict()
        self._newest: dict[uuid.UUID, int] = {}
        self._free_bytes = MAX_BYTES

    def get(self, version: Version) -> graphs.Graph | None:
        """Return the graph, if it is cached."""
        with self._lock:
            if version not in self._graphs:
                return None
            self._graphs.move_to_end(version)
            return self._graphs[version][0]

    def newest_cached(self, graph_id: uuid.UUID) -> Version | None:
        """Return the newest version in the cache; there may be a newer one in the database."""
        with self._lock:
            number = self._newest.get(graph_id)
        return None if number is None else Version(graph_id, number)

    def parse_and_store(self, version: Version, document: object) -> graphs.Graph:
        """Parse the *document* of a version, and cache the graph.

        :raises InvalidGraph: with every problem of its shape and structure.
        """
        graph = graphs.parse(document)
        size = _BASE_BYTES + _BYTES_PER_CHARACTER * len(json.dumps(document))
        with self._lock:
            if version not in self._graphs:
                self._graphs[version] = (graph, size)
                newest = self._newest.get(version.graph_id, 0)
                self._newest[version.graph_id] = max(newest, version.number)
                self._free_bytes -= size
            while self._free_bytes < 0:
                oldest, (_, size) = self._graphs.popitem(last=False)
                if self._newest.get(oldest.graph_id) == oldest.number:
                    del self._newest[oldest.graph_id]
                self._free_bytes += size
        return graph


graph_cache: t.Final = AppLocal(lambda app: GraphCache())


def load_graph(session: Session, models: Models, version: Version) -> graphs.Graph:
    """Return a stored version, from the cache if it is there.

    :raises InvalidGraph: if its document is not valid any more.
    """
    cache = graph_cache.current()
    cached = cache.get(version)
    if cached is not None:
        return cached
    key = (version.graph_id, version.number)
    return cache.parse_and_store(version, session.get_one(models.graph_version, key).document)
