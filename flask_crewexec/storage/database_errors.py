"""Classification of database errors, which the classes of SQLAlchemy are too coarse for."""

from __future__ import annotations

import re
import typing as t

from sqlalchemy.exc import DataError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import StatementError
from sqlalchemy.exc import TimeoutError

from ..database.connection_events import READ_ONLY

TRANSIENT_ERRORS: t.Final = (OperationalError, InterfaceError, TimeoutError)
"""Classes of errors whose cause may pass; :func:`is_transient` tells more exactly."""

_SQLITE_UNAVAILABLE: t.Final = re.compile(
    r"database (table )?is locked|unable to open database|attempt to write a readonly database"
)
_POSTGRESQL_UNAVAILABLE: t.Final = ("08", "25P03", "53300", "55P03", "57P")
"""SQLSTATEs: connection lost, idle transaction aborted, too many connections, row locked, server
shutting down."""
_REFUSED_VALUE: t.Final = ("22", "54")
"""SQLSTATEs: value that its type cannot hold, value beyond a limit of the server."""
_REFUSED_BY_PYTHON: t.Final = (TypeError, ValueError, OverflowError, RecursionError)
_NO_TABLE: t.Final = "42P01"
_NO_COLUMN: t.Final = "42703"
_SQLITE_NO_TABLE: t.Final = re.compile(r"no such table: (?:main\.)?(\S+)")
_SQLITE_NO_COLUMN: t.Final = re.compile(
    r"no such column: \"?(?P<name>[\w.]+)|table (?P<table>\S+) has no column named (?P<column>\S+)"
)
_NAMES: t.Final = re.compile(r"[\"„»«]\s?(\w+)\s?[\"“”«»]|\b(\w+\.\w+)\b")
"""Names in a message of PostgreSQL, whose words and quotes depend on the server's language."""


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database did not accept the request now, but may do so later."""
    if isinstance(error, TimeoutError):  # no free connection in the pool
        return True
    if is_read_only(error):
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return (
        error.connection_invalidated
        or error.statement is None  # connecting failed
        or _sqlstate(error).startswith(_POSTGRESQL_UNAVAILABLE)
        or _SQLITE_UNAVAILABLE.search(str(error.orig)) is not None
    )


def is_read_only(error: BaseException) -> bool:
    """Return whether PostgreSQL only reads, for instance because it is a standby server."""
    return isinstance(error, DBAPIError) and _sqlstate(error) == READ_ONLY


def is_transient(error: BaseException) -> bool:
    """Return whether a run tries again after *error*.

    That is more than :func:`is_unavailable`, such as a full disk: a run has paid for its results,
    so it does not give them up as long as the cause may pass.
    """
    if not isinstance(error, SQLAlchemyError):
        return False
    if is_unavailable(error):
        return True
    if not isinstance(error, TRANSIENT_ERRORS):
        return False
    return not (is_refused_value(error) or missing_object(error))


def is_refused_value(error: BaseException) -> bool:
    """Return whether a write failed because of one of its values, so that it will fail again.

    Examples are NUL in a text of PostgreSQL, an integer out of range, a lone surrogate, and JSON
    that is nested too deeply.

    :param error: what the write has raised: drivers reject some values with Python's exceptions.
    """
    if isinstance(error, (DataError, *_REFUSED_BY_PYTHON)):
        return True
    if isinstance(error, DBAPIError):
        return _sqlstate(error).startswith(_REFUSED_VALUE)
    return isinstance(error, StatementError) and isinstance(error.orig, _REFUSED_BY_PYTHON)


def missing_object(error: BaseException) -> str | None:
    """Return what migrations have yet to create, such as ``table 'crewexec_step'``."""
    if table := missing_table(error):
        return f"table '{table}'"
    if column := missing_column(error):
        return f"column '{column}'"
    return None


def missing_table(error: BaseException) -> str | None:
    """Return the name of the table that does not exist; None if the error has another cause."""
    if not isinstance(error, DBAPIError):
        return None
    if _sqlstate(error) == _NO_TABLE:
        return _name_in(error)
    match = _SQLITE_NO_TABLE.match(str(error.orig))
    return match[1] if match else None


def missing_column(error: BaseException) -> str | None:
    """Return the name of the column that does not exist, with its table if that is known."""
    if not isinstance(error, DBAPIError):
        return None
    if _sqlstate(error) == _NO_COLUMN:
        return _name_in(error)
    match = _SQLITE_NO_COLUMN.match(str(error.orig))
    return (match["name"] or f"{match['table']}.{match['column']}") if match else None


def is_duplicate_idempotency_key(error: IntegrityError) -> bool:
    """Return whether the user already has an execution with this idempotency key."""
    return "idempotency" in str(error.orig)


def driver_message(error: SQLAlchemyError) -> str:
    """Return what the driver reported, without the statement and its parameters."""
    return str(getattr(error, "orig", None) or error).strip() or type(error).__name__


def _name_in(error: DBAPIError) -> str:
    """Return the table, column or ``table.column`` that PostgreSQL's message names."""
    message = driver_message(error).splitlines()[0]
    names = [quoted or qualified for quoted, qualified in _NAMES.findall(message)]
    return ".".join(reversed(names)) or message


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""
