"""What the extension adds to the connections of the host's engine, on PostgreSQL."""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa
from sqlalchemy.engine import ExceptionContext

log = logging.getLogger(__name__)

READ_ONLY: t.Final = "25006"
"""SQLSTATE of a write in a session that only reads."""
_DEFAULT_THRESHOLD: t.Final = 5
"""After how many executions psycopg prepares a statement, unless the host has set it."""
_AUTOCOMMIT: t.Final = "crewexec_autocommit"
"""Key in the ``info`` of a pooled connection that commits each statement."""


def adapt_connections(engine: sa.Engine) -> None:
    """Let connections of *engine* work behind a pooler, and after the server was restarted.

    The host uses the same connections, for which this is right, too.
    """
    if engine.dialect.name != "postgresql":
        return
    sa.event.listen(engine, "handle_error", _discard_read_only)
    if engine.dialect.driver == "psycopg":
        sa.event.listen(engine, "reset", _end_autocommit)
        sa.event.listen(engine, "checkout", _replace_closed)
        sa.event.listen(engine, "checkout", _Pooler().on_checkout)


def begin_autocommit(connection: sa.Connection) -> None:
    """Make each statement its own transaction, until *connection* returns to the pool.

    With psycopg, this takes a fourth of the time of SQLAlchemy's isolation level "AUTOCOMMIT",
    which takes longer than many a statement.
    """
    if connection.dialect.driver != "psycopg":
        connection.execution_options(isolation_level="AUTOCOMMIT")
        return
    pooled = connection.connection
    driver = t.cast(t.Any, pooled.driver_connection)
    if not driver.autocommit:
        driver.autocommit = pooled.info[_AUTOCOMMIT] = True


def _end_autocommit(connection: t.Any, record: t.Any, state: object) -> None:
    if record.info.pop(_AUTOCOMMIT, False):
        connection.autocommit = False


def _discard_read_only(context: ExceptionContext) -> None:
    """Discard the connections of the pool if one only reads.

    A session keeps the default that its database or server had when it began.
    """
    error = context.original_exception
    if (getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)) == READ_ONLY:
        context.is_disconnect = True


def _replace_closed(connection: t.Any, record: object, proxy: object) -> None:
    """Let the pool replace its connections if the other side has closed this one.

    After a restart of the server or a pooler, the first statement of each process would fail.
    """
    if is_closed(connection):
        raise sa.exc.InvalidatePoolError


def is_closed(connection: t.Any) -> bool:
    """Return whether the other side has closed psycopg's idle *connection*.

    That asks the socket and not the server, so it costs no round trip. If the network was cut, the
    socket does not know.
    """
    if connection.closed:
        return True
    try:
        for _ in range(2):  # the end may come after a notice
            connection.pgconn.consume_input()
    except connection.Error:
        return True
    return False


class _Pooler:
    """A pooler such as PgBouncer, which may use another server connection for each transaction.

    Statements that psycopg has prepared on one connection do not exist on the others.
    """

    def __init__(self) -> None:
        self._is_there: bool | None = None

    def on_checkout(self, connection: t.Any, record: object, proxy: object) -> None:
        """Switch prepared statements off, unless the host has chosen when to prepare them."""
        if self._is_there is None:
            self._is_there = is_pooled(connection)
            if self._is_there:
                log.info("The database is behind a pooler; no statements are prepared.")
        if self._is_there and connection.prepare_threshold == _DEFAULT_THRESHOLD:
            connection.prepare_threshold = None


def is_pooled(connection: t.Any) -> bool:
    """Return whether psycopg's *connection* goes through a pooler such as PgBouncer.

    Then the server process is another one than the client was told of: a pooler makes up the
    process id that it tells a client, because it only serves to cancel statements, which the pooler
    has to pass on.
    """
    row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    connection.rollback()
    return bool(row[0] != connection.info.backend_pid)
