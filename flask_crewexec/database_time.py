"""The database's own clock, on which all machines agree.

Leases and due times are written and compared by it, in one statement each, so that it does not
matter when the clock of a web server or a worker is wrong or is set.
"""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Seconds = float | sa.ColumnElement[float | None]


class _DatabaseTime(FunctionElement[dt.datetime]):
    name = "crewexec_database_time"
    type = sa.DateTime(timezone=True)
    inherit_cache = True


def now() -> sa.ColumnElement[dt.datetime]:
    """Return the SQL for the moment at which the statement runs."""
    return later(0.0)


def later(seconds: Seconds) -> sa.ColumnElement[dt.datetime]:
    """Return the SQL for the moment *seconds* from now; NULL if they are NULL."""
    given = seconds if isinstance(seconds, sa.ColumnElement) else sa.literal(seconds, sa.Float)
    return _DatabaseTime(given)


@compiles(_DatabaseTime)
def _unknown(element: _DatabaseTime, compiler: SQLCompiler, **options: t.Any) -> str:
    raise sa.exc.CompileError(
        f"Flask-CrewExec runs on PostgreSQL and SQLite, not on '{compiler.dialect.name}'."
    )


@compiles(_DatabaseTime, "postgresql")
def _postgresql(element: _DatabaseTime, compiler: SQLCompiler, **options: t.Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(statement_timestamp() + ({seconds}) * interval '1 second')"


@compiles(_DatabaseTime, "sqlite")
def _sqlite(element: _DatabaseTime, compiler: SQLCompiler, **options: t.Any) -> str:
    """Text in SQLAlchemy's own form, with six digits behind the point."""
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({seconds}) || ' seconds')"
