"""Several changes in one statement, which needs one round trip and no explicit transaction.

It uses data-modifying common table expressions, which PostgreSQL has and SQLite does not.
"""

from __future__ import annotations

import functools
import json
import typing as t
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..database import LOCK_TIMEOUT_SECONDS
from ..models import is_plain

_SOURCE: t.Final = "r"
"""Name of the rows of a parameter."""
_quote: t.Final = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]

Rows = Sequence[Mapping[str, t.Any]]
"""Rows that all have the same columns."""


def supports_cte_writes(app_state: AppState) -> bool:
    """Return whether single statements may bypass the mapper to write executions.

    A host's own model may define more than columns, such as values that are set on update.
    """
    return is_plain(app_state.models.execution) and has_ctes(app_state.database.engine)


def has_ctes(database: sa.Engine | sa.Connection) -> bool:
    """Return whether a database has data-modifying CTEs."""
    return database.dialect.name == "postgresql"


def lock_timeout_guard() -> sa.ColumnElement[bool]:
    """Return a condition that is true, and sets how long the statement waits for a locked row."""
    setting = f"set_config('lock_timeout', '{LOCK_TIMEOUT_SECONDS}s', true)"
    return sa.select(sa.literal_column(setting, sa.String)).scalar_subquery().is_not(None)


def insert_many(session: Session, rows: Mapping[sa.Table, Rows]) -> None:
    """Insert rows into several tables, on PostgreSQL with one statement."""
    filled = {table: some for table, some in rows.items() if some}
    if len(filled) > 1 and has_ctes(session.get_bind()):
        statement = _insert_statement(tuple((table, *some[0]) for table, some in filled.items()))
        parameters = {table.name: as_json_parameter(table, some) for table, some in filled.items()}
        session.execute(statement, parameters)
        return
    for table, some in filled.items():
        session.execute(sa.insert(table), some)


@functools.lru_cache(maxsize=16)
def _insert_statement(shapes: tuple[tuple[t.Any, ...], ...]) -> sa.Select[t.Any]:
    """Return the statement for some tables, each given with the names of its columns."""
    parts = []
    for table, *names in shapes:
        source = json_rows(table, names, table.name)
        each = sa.select(*row_values(table, names)).select_from(source)
        part = sa.insert(table).from_select(names, each, include_defaults=False)
        parts.append(part.cte(f"into_{table.name}"))
    return sa.select(sa.literal_column("1")).add_cte(*parts)


def json_rows(table: sa.Table, names: Iterable[str], parameter: str) -> sa.TableValuedAlias:
    """Return any number of rows from one *parameter*, with a ``place`` that counts from 1.

    :param names: columns of the table that the rows have.
    """
    columns = [sa.column("place", sa.Integer), *(_source_column(table.c[name]) for name in names)]
    document = sa.cast(sa.bindparam(parameter, type_=sa.Text), sa.JSON)
    each = sa.func.json_to_recordset(document).table_valued(*columns)
    return each.render_derived(name=_SOURCE, with_types=True)


def _source_column(column: sa.Column[t.Any]) -> sa.ColumnClause[t.Any]:
    # JSON is nested as text, because PostgreSQL would reject an escaped NUL in nested JSON.
    is_text = _is_json(column) or isinstance(column.type, sa.String)
    return sa.column(column.name, sa.Text if is_text else column.type)


def row_values(table: sa.Table, names: Iterable[str]) -> list[sa.ColumnElement[t.Any]]:
    """Return the columns of :func:`json_rows` with the types of the table's columns.

    Their SQL is short, since psycopg parses statements of more than 4,096 characters each time.
    """
    return [_row_value(table.c[name]) for name in names]


def _row_value(column: sa.Column[t.Any]) -> sa.ColumnElement[t.Any]:
    name = f"{_SOURCE}.{_quote(column.name)}"
    return sa.literal_column(f"{name}::JSON" if _is_json(column) else name, column.type)


def as_json_parameter(table: sa.Table, rows: Rows) -> str:
    """Return the parameter for :func:`json_rows`.

    Values of JSON columns, and those of types that JSON does not have, become strings in it.
    """
    names = _json_columns(table)
    placed = [
        {"place": place, **row, **{name: _nested(row[name]) for name in names if name in row}}
        for place, row in enumerate(rows, 1)
    ]
    return _encode(placed)


def _nested(value: object) -> str | None:
    return None if value is None else json.dumps(value)


# Created once, because json.dumps() with a default would create an encoder for each call.
_encode: t.Final = json.JSONEncoder(default=str).encode


@functools.lru_cache(maxsize=16)
def _json_columns(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.c if _is_json(column))


def _is_json(column: sa.Column[t.Any]) -> bool:
    return isinstance(column.type, sa.JSON)
