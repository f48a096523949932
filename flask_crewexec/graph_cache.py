"""Graphs that were parsed before: a version never changes, and parsing one takes a while."""

from __future__ import annotations

import threading
import typing as t
import uuid
from collections import OrderedDict

from . import graphs
from .per_app import PerApp

MOST: t.Final = 200
"""How many graphs one process keeps of an application: those that were used last."""
LONGEST: t.Final = 50_000
"""Characters of the texts of a graph that is kept, so that all together stay small."""


class Version(t.NamedTuple):
    """What a document is found by."""

    graph_id: uuid.UUID
    number: int


class GraphCache:
    """The graphs of one application."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Version, graphs.Graph] = OrderedDict()

    def get(self, version: Version) -> graphs.Graph | None:
        """Return the graph, if it is kept."""
        with self._lock:
            if version in self._known:
                self._known.move_to_end(version)
            return self._known.get(version)

    def parse(self, version: Version, document: object) -> graphs.Graph:
        """Return the graph that *document*, which is this version's, describes, and keep it.

        :raises InvalidGraph: with every problem of shape and structure.
        """
        graph = graphs.parse(document)
        if graph.filled_length({}) <= LONGEST:
            with self._lock:
                self._known[version] = graph
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
        return graph


graph_cache: t.Final = PerApp(lambda app: GraphCache())
