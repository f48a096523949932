"""What the database server tells of itself and of the way to it."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .. import clock
from ..app_state import AppState
from ..database.connection_events import is_pooled
from . import database_clock


class Server(t.NamedTuple):
    """The kind of a database server, and its version."""

    dialect: str
    """Such as ``postgresql``."""
    driver: str
    version: tuple[int, ...]


class Clock(t.NamedTuple):
    """How the clock of the database compares with that of this machine."""

    ahead: float
    """Seconds by which the database's clock is ahead; negative if it is behind."""
    uncertainty: float
    """How wrong that may be, in seconds: the time that the query took."""


class Pooler(t.NamedTuple):
    """A pooler between this process and PostgreSQL."""

    prepare_threshold: int | None
    """After how many executions psycopg prepares a statement; None for never."""


def read_server(app_state: AppState) -> Server:
    """Return the kind and version of the server."""
    with app_state.database.autocommit_connection() as connection:
        dialect = connection.dialect
        version = dialect.server_version_info or ()
        return Server(dialect.name, dialect.driver, tuple(map(int, version)))


def read_clock(app_state: AppState) -> Clock:
    """Compare the clock of the database with that of this machine."""
    with app_state.database.read_session() as session:
        session.execute(sa.select(sa.literal(1)))  # connecting takes longer than the query
        before = clock.now()
        there = database_clock.read(session)
        after = clock.now()
    took = (after - before).total_seconds()
    return Clock((there - before).total_seconds() - took / 2, took)


def find_pooler(app_state: AppState) -> Pooler | None:
    """Return the pooler in front of PostgreSQL; None if there is none, or psycopg is not used."""
    with app_state.database.autocommit_connection() as connection:
        dialect = connection.dialect
        if (dialect.name, dialect.driver) != ("postgresql", "psycopg"):
            return None
        driver: t.Any = connection.connection.driver_connection
        return Pooler(driver.prepare_threshold) if is_pooled(driver) else None
