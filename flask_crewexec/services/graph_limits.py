"""Limits of how many graphs a user may have, and how many versions a graph may have."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..config.per_user_limits import resolve_limit
from ..errors import TooManyGraphs
from ..errors import TooManyVersions
from ..models import GraphMixin
from ..storage import graph_queries


def max_graphs_of(app_state: AppState, owner_id: str) -> int | None:
    """Return how many graphs a user may have; None if there is no limit."""
    limit = app_state.settings.max_graphs_per_user
    return resolve_limit("CREWEXEC_MAX_GRAPHS_PER_USER", limit, owner_id)


def max_versions_of(app_state: AppState, owner_id: str) -> int | None:
    """Return how many versions a graph of a user may have; None if there is no limit."""
    limit = app_state.settings.max_versions_per_graph
    return resolve_limit("CREWEXEC_MAX_VERSIONS_PER_GRAPH", limit, owner_id)


def enforce_graphs(
    session: Session, app_state: AppState, owner_id: str, max_graphs: int | None
) -> None:
    """Check that the user, whose graphs are locked, does not have too many with the new one.

    :raises TooManyGraphs: if so; the transaction must not be committed.
    """
    if max_graphs is None:
        return
    if graph_queries.count_graphs(session, app_state.models, owner_id, max_graphs + 1) > max_graphs:
        raise TooManyGraphs(
            f"You may have {max_graphs} graphs, archived ones included. Change one of them instead"
            " of storing another."
        )


def enforce_versions(graph: GraphMixin, max_versions: int | None) -> None:
    """Check that a graph, which is locked, may have one more version.

    :raises TooManyVersions: if not.
    """
    if max_versions is not None and graph.latest_version >= max_versions:
        raise TooManyVersions(
            f"A graph may have {max_versions} versions, and this one has {graph.latest_version}."
            " Copy it, and change the copy."
        )
