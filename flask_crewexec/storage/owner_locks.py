"""Locks of one user's rows of a kind, so that limits of their number are exact."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import Session

GRAPHS: t.Final = 1
"""The lock of running executions has no number."""
WEBHOOKS: t.Final = 2


def lock_rows_of(session: Session, owner_id: str, kind: int) -> None:
    """Make others that call this for the same user and kind wait until the transaction ends.

    On SQLite, the first INSERT or UPDATE of the transaction does that.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = sa.func.hashtextextended(owner_id, kind)
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
