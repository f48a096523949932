"""Graph versions that this process has read: they never change, so they are read once."""

from __future__ import annotations

import functools
import typing as t
import uuid
from collections.abc import Callable

import sqlalchemy as sa
from flask import Flask

from ..binding import current_binding
from ..graphs import Graph
from ..graphs import parse
from ..per_app import PerApp

KEPT: t.Final = 256
"""How many are kept; the largest takes a few MB."""


def load_graph(graph_id: uuid.UUID, number: int) -> Graph:
    """Return one version of a graph.

    :raises InvalidGraph: if its document is not valid any more.
    """
    return _known.current()(graph_id, number)


def _read(graph_id: uuid.UUID, number: int) -> Graph:
    binding = current_binding()
    version = binding.models.graph_version
    query = sa.select(version.document).where(version.graph_id == graph_id)
    with binding.session() as session:
        return parse(session.scalars(query.where(version.number == number)).one())


def _new(app: Flask) -> Callable[[uuid.UUID, int], Graph]:
    return functools.lru_cache(maxsize=KEPT)(_read)


_known: t.Final = PerApp(_new)
