"""Classification of errors that real databases and their drivers raise."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from flask_crewexec.storage.database_errors import is_read_only
from flask_crewexec.storage.database_errors import is_refused_value
from flask_crewexec.storage.database_errors import is_transient
from flask_crewexec.storage.database_errors import is_unavailable
from flask_crewexec.storage.database_errors import missing_column
from flask_crewexec.storage.database_errors import missing_table

NOTE: t.Final = sa.Table(
    "note",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String(5)),
    sa.Column("json", sa.JSON),
    sa.Column("number", sa.Integer),
)


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(database_url)
    NOTE.create(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def error_of(connection: sa.Connection, statement: t.Any, **values: object) -> Exception:
    with pytest.raises(Exception) as raised, connection.begin():  # noqa: PT011
        connection.execute(
            statement if not isinstance(statement, str) else sa.text(statement), values
        )
    return raised.value


def nested(depth: int) -> list[t.Any]:
    value: list[t.Any] = []
    for _ in range(depth):
        value = [value]
    return value


class TestRefusedValues:
    REFUSED_BY_BOTH: t.ClassVar = [
        {"text": "\ud800"},
        {"number": 2**70},
        {"json": {"a": object()}},
        {"json": nested(100_000)},
    ]
    REFUSED_BY_POSTGRESQL: t.ClassVar = [
        {"text": "a\0"},
        {"text": "longer"},
        {"number": 2**40},
        {"json": {"a": float("nan")}},
    ]

    @pytest.mark.parametrize("values", REFUSED_BY_BOTH)
    def test_by_the_driver(self, connection, values):
        self.check(error_of(connection, NOTE.insert(), **values))

    @pytest.mark.parametrize("values", REFUSED_BY_POSTGRESQL)
    @pytest.mark.postgresql
    def test_by_the_server(self, connection, values):
        self.check(error_of(connection, NOTE.insert(), **values))

    @pytest.mark.parametrize("rows", ['[{"a": "\\u0000"}]', '[{"a": "\\ud800"}]', "[" * 100_000])
    @pytest.mark.postgresql
    def test_within_json(self, connection, rows):
        query = "SELECT * FROM json_to_recordset(CAST(:rows AS JSON)) AS row(a text)"
        self.check(error_of(connection, query, rows=rows))

    def check(self, error):
        assert is_refused_value(error)
        assert not is_transient(error)
        assert not (isinstance(error, sa.exc.SQLAlchemyError) and is_unavailable(error))


@pytest.mark.parametrize(
    ("statement", "table", "column"),
    [
        ("SELECT * FROM nowhere", "nowhere", None),
        ("INSERT INTO nowhere (a) VALUES (1)", "nowhere", None),
        ("SELECT note.absent FROM note", None, "note.absent"),
        ("SELECT absent FROM note", None, "absent"),
        ("INSERT INTO note (absent) VALUES (1)", None, "note.absent"),
    ],
)
def test_a_missing_table_or_column_is_named(connection, statement, table, column):
    error = error_of(connection, statement)
    assert (missing_table(error), missing_column(error)) == (table, column)
    assert not is_transient(error)
    assert not is_unavailable(error)
    assert not is_refused_value(error)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Relation »crewexec_step« existiert nicht", "crewexec_step"),
        ("la relation « crewexec_step » n'existe pas", "crewexec_step"),
        ("Spalte »output« von Relation »crewexec_step« existiert nicht", "crewexec_step.output"),
    ],
)
def test_names_are_found_in_messages_of_other_languages(message, name):
    class UndefinedTable(Exception):
        sqlstate = "42P01"

    assert missing_table(sa.exc.ProgrammingError("", {}, UndefinedTable(message))) == name


@pytest.mark.postgresql
def test_a_read_only_server_is_unavailable(connection):
    with connection.begin():
        connection.exec_driver_sql("SET default_transaction_read_only = on")
    error = error_of(connection, NOTE.insert(), number=1)
    assert is_read_only(error)
    assert is_unavailable(error)
    assert is_transient(error)
    assert not is_refused_value(error)


@pytest.mark.sqlite_enough
def test_a_read_only_file_is_unavailable(connection):
    with connection.begin():
        connection.exec_driver_sql("PRAGMA query_only = on")
    assert is_unavailable(error_of(connection, NOTE.insert(), number=1))


def test_a_duplicate_key_is_none_of_them(connection):
    with connection.begin():
        connection.execute(NOTE.insert(), {"id": 1})
    error = error_of(connection, NOTE.insert(), id=1)
    assert not is_transient(error)
    assert not is_refused_value(error)
