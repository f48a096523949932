"""SQLite that leaves it to the system when data reaches the disk."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa


def skip_fsync(engine: sa.Engine) -> None:
    """Commit without waiting for the disk; also a killed process loses nothing by that."""
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _skip_fsync)


def _skip_fsync(connection: t.Any, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
