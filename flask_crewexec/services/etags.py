"""Optimistic locking of graphs by entity tags and ``If-Match`` (RFC 9110)."""

from __future__ import annotations

from werkzeug.http import parse_etags
from werkzeug.http import quote_etag

from ..errors import PreconditionFailed
from ..models import GraphMixin
from ..models import GraphVersionMixin


def etag(graph: GraphMixin, version: GraphVersionMixin) -> str:
    """Return the strong entity tag, in quotes, of *graph* together with *version*.

    It depends on the newest version too, since the graph is shown with its current name.
    """
    return quote_etag(f"{version.digest}-{version.number}-{graph.latest_version}")


def require_match(if_match: str | None, graph: GraphMixin, version: GraphVersionMixin) -> None:
    """Check the precondition of a caller; without *if_match* there is none.

    :param if_match: entity tags as in the header: ``"…"``, several, or ``*``.
    :raises PreconditionFailed: if none of them is the current one.
    """
    current = etag(graph, version)
    if if_match is not None and not parse_etags(if_match).contains(current.strip('"')):
        raise PreconditionFailed(
            f"The graph is at version {graph.latest_version}, and its 'ETag' is {current}, which"
            " 'If-Match' does not contain. Read the graph again, then decide."
        )
