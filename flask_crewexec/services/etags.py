"""Optimistic locking of graphs: entity tags and ``If-Match`` (RFC 9110)."""

from __future__ import annotations

from werkzeug.http import parse_etags
from werkzeug.http import quote_etag

from ..errors import PreconditionFailed
from ..models import GraphMixin
from ..models import GraphVersionMixin


def etag(graph: GraphMixin, version: GraphVersionMixin) -> str:
    """Return the strong entity tag, in quotes, of *graph* as shown with *version*.

    The graph's name and newest version are shown with older versions, too.
    """
    return quote_etag(f"{version.digest}-{version.number}-{graph.latest_version}")


def require_match(if_match: str | None, graph: GraphMixin, version: GraphVersionMixin) -> None:
    """Check what a caller believes to know; without *if_match* everything is right.

    :param if_match: entity tags as in the header: ``"…"``, several, or ``*``.
    :raises PreconditionFailed: if none of them is the current one.
    """
    current = etag(graph, version)
    if if_match is not None and not parse_etags(if_match).contains(current.strip('"')):
        raise PreconditionFailed(
            f"The graph is at version {graph.latest_version}, and its 'ETag' is {current}, not"
            " what 'If-Match' says. Read it again, then decide."
        )
