"""What a database error means: SQLAlchemy's classes do not tell."""

from __future__ import annotations

import re
import typing as t

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError
from sqlalchemy.exc import TimeoutError as NoConnection

_BUSY_SQLITE: t.Final = re.compile(r"database (table )?is locked|unable to open database")
_LOST_POSTGRES: t.Final = ("08", "25P03", "53300", "55P03", "57P")
"""SQLSTATE of a lost connection, of too many of them, of a locked row, of a server that stops."""
_NO_TABLE: t.Final = re.compile(r'no such table: (\S+)|^relation "([^"]+)" does not exist')


def is_out_of_reach(error: SQLAlchemyError) -> bool:
    """Return whether the database did not answer, so that the same may work later."""
    if isinstance(error, TimeoutError):  # of the connection pool
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return (
        error.connection_invalidated
        or error.statement is None  # there was no connection yet to execute one
        or _sqlstate(error).startswith(_LOST_POSTGRES)
        or _BUSY_SQLITE.search(str(error.orig)) is not None
    )


def missing_table(error: SQLAlchemyError) -> str | None:
    """Return the name of the table that does not exist, if that is what is wrong."""
    found = _NO_TABLE.search(str(error.orig)) if isinstance(error, DBAPIError) else None
    return (found[1] or found[2]) if found else None


def _sqlstate(error: DBAPIError) -> str:
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return state or ""


TRANSIENT_ERRORS: t.Final = (OperationalError, InterfaceError, NoConnection)
"""What SQLAlchemy raises while the database cannot do what it was asked, or hangs for others."""
