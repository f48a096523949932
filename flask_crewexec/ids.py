"""Parsing of ids that callers pass."""

from __future__ import annotations

import uuid

from .errors import NotFound


def parse_uuid(id: object, kind: str) -> uuid.UUID:
    """Return *id* as a UUID.

    :param kind: what it identifies, for the error message.
    :raises NotFound: if it is no UUID, so nothing can have this id.
    """
    try:
        return id if isinstance(id, uuid.UUID) else uuid.UUID(str(id))
    except ValueError as error:
        raise NotFound(f"There is no {kind} '{id}'.") from error
