"""Several changes as one statement: one round trip instead of many, and no need of a transaction.

It takes common table expressions that change data, which PostgreSQL has and SQLite has not.
"""

from __future__ import annotations

import functools
import json
import typing as t
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..database import LOCK_TIMEOUT_SECONDS
from ..models import ExecutionMixin

Rows = Sequence[Mapping[str, t.Any]]
"""All with the same columns."""


def supports_cte_writes(app_state: AppState) -> bool:
    """Return whether a statement may change executions, and more.

    A model of the host's own may have more to it than columns, such as values on update.
    """
    ours = app_state.models.execution.__module__ == ExecutionMixin.__module__
    return ours and _is_possible(app_state.database.engine)


def _is_possible(database: sa.Engine | sa.Connection) -> bool:
    return database.dialect.name == "postgresql"


def lock_timeout_guard() -> sa.ColumnElement[bool]:
    """Return a condition that is true, and limits how long the statement may wait for a row."""
    bound = sa.func.set_config("lock_timeout", f"{LOCK_TIMEOUT_SECONDS}s", True)
    return sa.select(bound).scalar_subquery() != ""


def insert_many(session: Session, given: Mapping[sa.Table, Rows]) -> None:
    """Insert rows into several tables, at once where that is possible."""
    filled = {table: some for table, some in given.items() if some}
    if len(filled) > 1 and _is_possible(session.get_bind()):
        statement = _inserting(tuple((table, *some[0]) for table, some in filled.items()))
        documents = {table.name: as_json_parameter(table, some) for table, some in filled.items()}
        session.execute(statement, documents)
        return
    for table, some in filled.items():
        session.execute(sa.insert(table), some)


@functools.lru_cache(maxsize=16)
def _inserting(forms: tuple[tuple[t.Any, ...], ...]) -> sa.Select[t.Any]:
    """Return the statement for tables, each with the names of the columns that are given."""
    parts = []
    for table, *names in forms:
        source = json_rows(table, names, table.name)
        each = sa.select(*row_values(table, names, source))
        part = sa.insert(table).from_select(names, each, include_defaults=False)
        parts.append(part.cte(f"into_{table.name}"))
    return sa.select(sa.literal_column("1")).add_cte(*parts)


def json_rows(table: sa.Table, names: Iterable[str], parameter: str) -> sa.TableValuedAlias:
    """Return the rows of a *parameter*, however many they are, with their ``place`` from 1.

    :param names: of the table's columns that are given.
    """
    columns = [sa.column("place", sa.Integer), *(_given(table.c[name]) for name in names)]
    document = sa.cast(sa.bindparam(parameter, type_=sa.Text), sa.JSON)
    each = sa.func.json_to_recordset(document).table_valued(*columns)
    return each.render_derived(with_types=True)


def _given(column: sa.Column[t.Any]) -> sa.ColumnClause[t.Any]:
    # PostgreSQL would refuse an escaped NUL in a document within the document.
    return sa.column(column.name, sa.Text if _is_document(column) else column.type)


def row_values(
    table: sa.Table, names: Iterable[str], source: sa.TableValuedAlias
) -> list[sa.ColumnElement[t.Any]]:
    """Return columns of :func:`rows` as the table keeps them."""
    return [
        sa.cast(source.c[name], sa.JSON) if _is_document(table.c[name]) else source.c[name]
        for name in names
    ]


def as_json_parameter(table: sa.Table, given: Rows) -> str:
    """Return the parameter for :func:`rows`; documents, and what JSON has not, are text in it."""
    names = _documents(table)
    placed = [
        {"place": place, **row, **{name: json.dumps(row[name]) for name in names if name in row}}
        for place, row in enumerate(given, 1)
    ]
    return _encode(placed)


# Made once: json.dumps() would make one for each call.
_encode: t.Final = json.JSONEncoder(default=str).encode


@functools.lru_cache(maxsize=16)
def _documents(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.c if _is_document(column))


def _is_document(column: sa.Column[t.Any]) -> bool:
    return isinstance(column.type, sa.JSON)
