"""Ids as callers pass them."""

from __future__ import annotations

import uuid

from .errors import NotFound


def parse_uuid(id: object, kind: str) -> uuid.UUID:
    """Return the id of something of a *kind* that may come from anywhere.

    :raises NotFound: if it cannot be an id.
    """
    try:
        return id if isinstance(id, uuid.UUID) else uuid.UUID(str(id))
    except ValueError as error:
        raise NotFound(f"There is no {kind} '{id}'.") from error
