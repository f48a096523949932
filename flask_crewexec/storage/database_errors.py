"""Classification of database errors, which the classes of SQLAlchemy are too coarse for."""

from __future__ import annotations

import re
import typing as t

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError

TRANSIENT_ERRORS: t.Final = (OperationalError, InterfaceError, TimeoutError)
"""Errors after which a run tries again.

The classes also cover errors that :func:`is_unavailable` does not, such as a full disk: a run has
paid for its results, so it does not give them up as long as the cause may pass.
"""

_SQLITE_UNAVAILABLE: t.Final = re.compile(r"database (table )?is locked|unable to open database")
_POSTGRESQL_UNAVAILABLE: t.Final = ("08", "25P03", "53300", "55P03", "57P")
"""SQLSTATEs: connection lost, idle transaction aborted, too many connections, row locked, server
shutting down."""
_MISSING_TABLE: t.Final = re.compile(r'no such table: (\S+)|^relation "([^"]+)" does not exist')


def is_unavailable(error: SQLAlchemyError) -> bool:
    """Return whether the database did not answer, so that the same request may succeed later."""
    if isinstance(error, TimeoutError):  # no free connection in the pool
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return (
        error.connection_invalidated
        or error.statement is None  # connecting failed
        or _sqlstate(error).startswith(_POSTGRESQL_UNAVAILABLE)
        or _SQLITE_UNAVAILABLE.search(str(error.orig)) is not None
    )


def missing_table(error: SQLAlchemyError) -> str | None:
    """Return the name of the table that does not exist; None if the error has another cause."""
    match = _MISSING_TABLE.search(str(error.orig)) if isinstance(error, DBAPIError) else None
    return (match[1] or match[2]) if match else None


def is_duplicate_idempotency_key(error: IntegrityError) -> bool:
    """Return whether the user already has an execution with this idempotency key."""
    return "idempotency" in str(error.orig)


def driver_message(error: SQLAlchemyError) -> str:
    """Return what the driver reported, without the statement and its parameters."""
    return str(getattr(error, "orig", None) or error).strip() or type(error).__name__


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""
