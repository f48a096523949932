"""Check of stored graphs: whether everything that they name is registered."""

from __future__ import annotations

import time
import typing as t
import uuid
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator

from ... import graphs
from ...app_state import AppState
from ...errors import InvalidGraph
from ...storage.graph_queries import newest_documents
from .check import Check
from .check import ok
from .check import Result
from .check import warning

READ_SECONDS: t.Final = 30.0
"""After this time, the remaining graphs are not read."""
_INVALID: t.Final = ("graph", "")

_Names = dict[tuple[str, str], list[uuid.UUID]]
"""Ids of graphs by the kind and the name of what is not registered."""


def check_graphs(app_state: AppState) -> Iterator[Result]:
    """Check the newest version of each graph that is not archived."""
    permissions = app_state.registry.permissions_for(None)
    unknown: _Names = defaultdict(list)
    until, read = time.monotonic() + READ_SECONDS, 0
    for graph_id, document in newest_documents(app_state):
        for name in _unknown_names(document, permissions):
            unknown[name].append(graph_id)
        read += 1
        if time.monotonic() > until:
            yield warning(
                f"Only the newest {read:,} graphs were read.", "Archive graphs that nobody uses."
            )
            break
    yield from (_result(kind, name, ids) for (kind, name), ids in sorted(unknown.items()))
    if not unknown:
        yield ok(f"Everything that graphs name is registered. Graphs read: {read:,}.")


def _unknown_names(document: object, permissions: graphs.Permissions) -> Iterable[tuple[str, str]]:
    try:
        graph = graphs.parse(document)
    except InvalidGraph:
        return [_INVALID]
    found = graphs.find_unknown(graph.references, permissions)
    return {(each.kind.removeprefix("default-"), each.name) for each in found}


def _result(kind: str, name: str, ids: list[uuid.UUID]) -> Result:
    count = "1 graph" if len(ids) == 1 else f"{len(ids):,} graphs"
    if (kind, name) == _INVALID:
        return warning(
            f"The rules of this version refuse {count}, such as {ids[0]}.",
            "Let its owner open it in the editor, which shows the problems.",
        )
    return warning(
        f"No {kind} is registered as '{name}', which {count} name{'s' * (len(ids) == 1)}, such as"
        f" {ids[0]}.",
        f"Register the {kind} in a module that your application imports, or archive the graphs.",
    )


CHECKS: t.Final = (
    Check("graphs", check_graphs, needs=("database-server",), seconds=READ_SECONDS + 30),
)
