"""Where the tables of the database differ from the models although they have all columns."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine.reflection import ObjectKind

from ..app_state import AppState
from ..models import Models
from ..models import table_of

_SAME_TYPES: t.Final = {"FLOAT": "DOUBLE PRECISION"}
"""Names under which PostgreSQL reflects a type that it was told by another name."""


class Difference(t.NamedTuple):
    """One difference of a table."""

    name: str
    """``table.column``, or the name of an index."""
    kind: t.Literal["type", "required", "index", "unique"]
    """The column has another type; it demands a value that the code does not write; the index is
    missing, or has other columns; so does one that keeps rows from being stored twice."""
    detail: str
    """What the database has, and what the code expects."""


def tables_by_schema(connection: sa.Connection, models: Models) -> dict[str | None, list[sa.Table]]:
    """Return the tables of the models by the schema in which the engine looks for them."""
    translated = connection.get_execution_options().get("schema_translate_map", {})
    by_schema: defaultdict[str | None, list[sa.Table]] = defaultdict(list)
    for model in models:
        table = table_of(model)
        by_schema[translated.get(table.schema, table.schema)].append(table)
    return by_schema


def find_differences(app_state: AppState) -> list[Difference]:
    """Return the differences of types, of required columns and of indexes.

    What is missing altogether is not among them, and host's columns and indexes may be there.
    """
    with app_state.database.autocommit_connection() as connection:
        inspector = sa.inspect(connection)
        return [
            difference
            for schema, tables in tables_by_schema(connection, app_state.models).items()
            for difference in _differences(inspector, schema, tables)
        ]


def _differences(
    inspector: sa.Inspector, schema: str | None, tables: list[sa.Table]
) -> Iterator[Difference]:
    names = [table.name for table in tables]
    columns = inspector.get_multi_columns(schema=schema, filter_names=names, kind=ObjectKind.ANY)
    indexes = inspector.get_multi_indexes(schema=schema, filter_names=names, kind=ObjectKind.ANY)
    for table in tables:
        found = columns.get((schema, table.name), [])
        yield from _of_columns(inspector.dialect, table, found)
        known = {column["name"] for column in found}
        there = [each for each in table.indexes if known.issuperset(_columns_of(each))]
        yield from _of_indexes(there, indexes.get((schema, table.name), []))


def _columns_of(index: sa.Index) -> list[str]:
    return [column.name for column in index.columns]


def _of_columns(dialect: sa.Dialect, table: sa.Table, found: list[t.Any]) -> Iterator[Difference]:
    for reflected in found:
        name = f"{table.name}.{reflected['name']}"
        column = table.columns.get(reflected["name"])
        optional = reflected["nullable"] or reflected.get("default") is not None
        if column is None:
            if not optional:
                yield Difference(name, "required", "is unknown to the code, and demands a value")
            continue
        has, wants = _type_name(reflected["type"], dialect), _type_name(column.type, dialect)
        if has != wants:
            yield Difference(name, "type", f"is {has} instead of {wants}")
        if column.nullable and not optional:
            yield Difference(name, "required", "is NOT NULL, while the code leaves it empty")


def _type_name(kind: sa.types.TypeEngine[t.Any], dialect: sa.Dialect) -> str:
    name = kind.compile(dialect=dialect)
    return _SAME_TYPES.get(name, name)


def _of_indexes(wanted: Iterable[sa.Index], found: list[t.Any]) -> Iterator[Difference]:
    reflected = {index["name"]: index for index in found}
    for index in sorted(wanted, key=lambda index: str(index.name)):
        if problem := _problem_of(index, reflected.get(str(index.name))):
            yield Difference(str(index.name), "unique" if index.unique else "index", problem)


def _problem_of(index: sa.Index, has: t.Any) -> str | None:
    if has is None:
        return "is missing"
    if list(has["column_names"]) != _columns_of(index):
        return "has other columns"
    if bool(has["unique"]) != bool(index.unique):
        return "is unique" if has["unique"] else "is not unique"
    return None
