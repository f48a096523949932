"""Graphs that were parsed before: a version never changes, and parsing one takes a while."""

from __future__ import annotations

import json
import threading
import typing as t
import uuid
from collections import OrderedDict

from .. import graphs
from ..per_app import AppLocal

MAX_BYTES: t.Final = 10_000_000
"""About how many bytes one process keeps of an application's graphs: those that were used last."""
_LEAST: t.Final = 5_000
"""What a graph takes beside its document."""
_GROWTH: t.Final = 10
"""How many times as much as its document as JSON a graph with large schemas takes."""


class Version(t.NamedTuple):
    """What a document is found by."""

    graph_id: uuid.UUID
    number: int


class GraphCache:
    """The graphs of one application."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Version, tuple[graphs.Graph, int]] = OrderedDict()
        self._newest: dict[uuid.UUID, int] = {}
        self._room = MAX_BYTES

    def get(self, version: Version) -> graphs.Graph | None:
        """Return the graph, if it is kept."""
        with self._lock:
            if version not in self._known:
                return None
            self._known.move_to_end(version)
            return self._known[version][0]

    def newest_cached(self, graph_id: uuid.UUID) -> Version | None:
        """Return the newest version that is kept; there may be a newer one by now."""
        with self._lock:
            number = self._newest.get(graph_id)
        return None if number is None else Version(graph_id, number)

    def parse_and_store(self, version: Version, document: object) -> graphs.Graph:
        """Return the graph that *document*, which is this version's, describes, and keep it.

        :raises InvalidGraph: with every problem of shape and structure.
        """
        graph = graphs.parse(document)
        size = _LEAST + _GROWTH * len(json.dumps(document))
        with self._lock:
            if version not in self._known:
                self._known[version] = (graph, size)
                newest = self._newest.get(version.graph_id, 0)
                self._newest[version.graph_id] = max(newest, version.number)
                self._room -= size
            while self._room < 0:
                oldest, (_, size) = self._known.popitem(last=False)
                if self._newest.get(oldest.graph_id) == oldest.number:
                    del self._newest[oldest.graph_id]
                self._room += size
        return graph


graph_cache: t.Final = AppLocal(lambda app: GraphCache())
