"""Ids: those that callers pass, and new ones."""

from __future__ import annotations

import os
import random
import uuid

from .errors import NotFound

# Not those of the module, which hosts may seed.
_random = random.Random()
os.register_at_fork(after_in_child=_random.seed)


def unique_id() -> uuid.UUID:
    """Return an id that is unique, but not secret.

    Random numbers of the operating system cost a system call, during which another thread may take
    Python's lock.
    """
    return uuid.UUID(int=_random.getrandbits(128), version=4)


def parse_uuid(id: object, kind: str) -> uuid.UUID:
    """Return *id* as a UUID.

    :param kind: what it identifies, for the error message.
    :raises NotFound: if it is no UUID, so nothing can have this id.
    """
    try:
        return id if isinstance(id, uuid.UUID) else uuid.UUID(str(id))
    except ValueError as error:
        raise NotFound(f"There is no {kind} '{id}'.") from error
