"""SQL for the current time of the database server, whose clock is the same for all machines.

Everything that is compared is written and compared by this clock, mostly within the statement:
leases, due times, heartbeats, the order of waiting and how long it took. So clocks of web servers
and workers that are wrong or are set do no harm.
"""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from .. import clock

Seconds = float | sa.ColumnElement[float | None]


class _DatabaseTime(FunctionElement[dt.datetime]):
    name = "crewexec_database_time"
    type = sa.DateTime(timezone=True)
    inherit_cache = True


class _Now(FunctionElement[dt.datetime]):
    name = "crewexec_database_now"
    type = sa.DateTime(timezone=True)
    inherit_cache = True


def now() -> sa.ColumnElement[dt.datetime]:
    """Return the SQL for the time at which the statement runs."""
    return _Now()


def seconds_from_now(seconds: Seconds) -> sa.ColumnElement[dt.datetime]:
    """Return the SQL for the time *seconds* from now; NULL if *seconds* is NULL."""
    given = seconds if isinstance(seconds, sa.ColumnElement) else sa.literal(seconds, sa.Float)
    return _DatabaseTime(given)


def read(session: Session) -> dt.datetime:
    """Return the time, where a query of its own does no harm."""
    return clock.as_utc(session.scalars(sa.select(now())).one())


class _SecondsSince(FunctionElement[float]):
    name = "crewexec_seconds_since"
    type = sa.Float()
    inherit_cache = True


def seconds_since(moment: sa.SQLColumnExpression[t.Any]) -> sa.ColumnElement[float]:
    """Return the SQL for the seconds that have passed since a stored time."""
    return _SecondsSince(moment)


class _PeriodsSince(FunctionElement[int]):
    name = "crewexec_periods_since"
    type = sa.Integer()
    inherit_cache = True


def periods_since(moment: sa.SQLColumnExpression[t.Any], seconds: float) -> sa.ColumnElement[int]:
    """Return the SQL for how many whole periods have passed since a stored time.

    :param seconds: length of a period.
    """
    return _PeriodsSince(seconds_since(moment) / sa.literal(seconds, sa.Float))


class _DayOf(FunctionElement[str]):
    name = "crewexec_day_of"
    type = sa.String()
    inherit_cache = True


def utc_day(moment: sa.SQLColumnExpression[t.Any]) -> sa.ColumnElement[str]:
    """Return the SQL for the day of a stored time in UTC, as ``YYYY-MM-DD``."""
    return _DayOf(moment)


@compiles(_Now)
@compiles(_DatabaseTime)
@compiles(_SecondsSince)
@compiles(_PeriodsSince)
@compiles(_DayOf)
def _unknown(element: FunctionElement[t.Any], compiler: SQLCompiler, **options: t.Any) -> str:
    raise sa.exc.CompileError(
        f"Flask-CrewExec runs on PostgreSQL and SQLite, not on '{compiler.dialect.name}'."
    )


@compiles(_Now, "postgresql")
def _now_postgresql(element: _Now, compiler: SQLCompiler, **options: t.Any) -> str:
    return "statement_timestamp()"


@compiles(_Now, "sqlite")
def _now_sqlite(element: _Now, compiler: SQLCompiler, **options: t.Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(_DatabaseTime, "postgresql")
def _postgresql(element: _DatabaseTime, compiler: SQLCompiler, **options: t.Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(statement_timestamp() + ({seconds}) * interval '1 second')"


@compiles(_DatabaseTime, "sqlite")
def _sqlite(element: _DatabaseTime, compiler: SQLCompiler, **options: t.Any) -> str:
    """Return text in the format in which SQLAlchemy stores it, with six decimal places."""
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({seconds}) || ' seconds')"


@compiles(_SecondsSince, "postgresql")
def _since_postgresql(element: _SecondsSince, compiler: SQLCompiler, **options: t.Any) -> str:
    moment = compiler.process(element.clauses, **options)
    return f"CAST(extract(epoch FROM statement_timestamp() - {moment}) AS float8)"


@compiles(_SecondsSince, "sqlite")
def _since_sqlite(element: _SecondsSince, compiler: SQLCompiler, **options: t.Any) -> str:
    moment = compiler.process(element.clauses, **options)
    return f"((julianday('now') - julianday({moment})) * 86400.0)"


@compiles(_PeriodsSince, "postgresql")
def _periods_postgresql(element: _PeriodsSince, compiler: SQLCompiler, **options: t.Any) -> str:
    return f"CAST(floor({compiler.process(element.clauses, **options)}) AS integer)"


@compiles(_PeriodsSince, "sqlite")
def _periods_sqlite(element: _PeriodsSince, compiler: SQLCompiler, **options: t.Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS INTEGER)"


@compiles(_DayOf, "postgresql")
def _day_of_postgresql(element: _DayOf, compiler: SQLCompiler, **options: t.Any) -> str:
    moment = compiler.process(element.clauses, **options)
    return f"to_char(timezone('UTC', {moment}), 'YYYY-MM-DD')"


@compiles(_DayOf, "sqlite")
def _day_of_sqlite(element: _DayOf, compiler: SQLCompiler, **options: t.Any) -> str:
    return f"date({compiler.process(element.clauses, **options)})"
