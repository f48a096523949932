"""Ids: those that callers pass, and new ones."""

from __future__ import annotations

import os
import random
import typing as t
import uuid

from .errors import NotFound

# Not those of the module, which hosts may seed.
_random: t.Final = random.Random()
_pid = os.getpid()
"""The process for which the random numbers were seeded."""


def unique_id() -> uuid.UUID:
    """Return an id that is unique, but not secret.

    Random numbers of the operating system cost a system call, during which another thread may take
    Python's lock.
    """
    if _pid != os.getpid():  # uWSGI forks without Python's hooks
        _seed()
    return uuid.UUID(int=_random.getrandbits(128), version=4)


def _seed() -> None:
    """Seed the random numbers for this process."""
    global _pid
    _random.seed()
    _pid = os.getpid()  # only now: other threads must not use the numbers of the parent


def parse_uuid(id: object, kind: str) -> uuid.UUID:
    """Return *id* as a UUID.

    :param kind: what it identifies, for the error message.
    :raises NotFound: if it is no UUID, so nothing can have this id.
    """
    try:
        return id if isinstance(id, uuid.UUID) else uuid.UUID(str(id))
    except ValueError as error:
        raise NotFound(f"There is no {kind} '{id}'.") from error
