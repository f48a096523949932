"""Checks of the database: whether it takes writes, and has the tables of the models."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine.reflection import ObjectKind

from ..app_state import AppState
from .database_errors import is_read_only
from .schema_differences import tables_by_schema

_SQLITE_READ_ONLY: t.Final = re.compile("attempt to write a readonly database")


def is_writable(app_state: AppState) -> bool:
    """Return whether the database accepts writes, after one that changes nothing.

    PostgreSQL refuses it on a standby and in a read-only transaction, SQLite in a read-only file.
    """
    execution = app_state.models.execution
    nothing = sa.update(execution).where(sa.false()).values(priority=execution.priority)
    try:
        with app_state.database.write_transaction() as session:
            session.execute(nothing, execution_options={"synchronize_session": False})
    except sa.exc.DBAPIError as error:
        if is_read_only(error) or _SQLITE_READ_ONLY.search(str(error.orig)):
            return False
        raise
    return True


def missing_names(app_state: AppState) -> list[str]:
    """Return the tables that the database lacks, and the columns as ``table.column``."""
    with app_state.database.autocommit_connection() as connection:
        inspector = sa.inspect(connection)
        return [
            name
            for schema, tables in tables_by_schema(connection, app_state.models).items()
            for name in _missing_from(inspector, schema, tables)
        ]


def _missing_from(
    inspector: sa.Inspector, schema: str | None, tables: list[sa.Table]
) -> Iterator[str]:
    found = inspector.get_multi_columns(
        schema=schema, filter_names=[table.name for table in tables], kind=ObjectKind.ANY
    )
    for table in tables:
        columns = found.get((schema, table.name))
        if not columns:
            yield table.name
            continue
        known = {column["name"] for column in columns}
        yield from (f"{table.name}.{c.name}" for c in table.columns if c.name not in known)
