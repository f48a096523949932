"""Statements that go past SQLAlchemy, while nobody watches it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DataError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import OperationalError

from flask_crewexec.database.connection_events import adapt_connections
from flask_crewexec.database.connection_events import begin_autocommit
from flask_crewexec.storage.database_errors import is_read_only
from flask_crewexec.storage.database_errors import is_unavailable
from flask_crewexec.storage.driver_statement import DriverStatement

pytestmark = pytest.mark.postgresql

NUMBER: t.Final = sa.bindparam("number", type_=sa.Integer)
INVERSE: t.Final = sa.select((1 / NUMBER).label("inverse"), NUMBER.label("given")).where(NUMBER < 9)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(database_url)
    adapt_connections(engine)
    yield engine
    engine.dispose()


def inverse(engine: sa.Engine, number: int) -> t.Any:
    with engine.connect() as connection:
        begin_autocommit(connection)
        return DriverStatement(INVERSE, engine).one_or_none(connection, {NUMBER.key: number})


def watch(engine: sa.Engine) -> list[str]:
    """Return a list of statements to come."""
    seen: list[str] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def note(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    return seen


@pytest.mark.parametrize("watched", [False, True])
class TestResults:
    def test_they_have_names(self, engine, watched):
        seen = watch(engine) if watched else []
        found = inverse(engine, 2)
        assert (found.inverse, found.given) == (pytest.approx(0.5), 2)
        assert len(seen) == watched

    def test_there_may_be_none(self, engine, watched):
        seen = watch(engine) if watched else []
        assert inverse(engine, 9) is None
        assert len(seen) == watched

    def test_an_error_is_that_of_sqlalchemy(self, engine, watched):
        seen = watch(engine) if watched else []
        with pytest.raises(DataError, match="division by zero"):
            inverse(engine, 0)
        assert len(seen) == watched
        assert inverse(engine, 1).given == 1


@pytest.fixture
def tries(engine: sa.Engine) -> sa.Function[int]:
    """A call that counts how often a statement was executed: sequences are never rolled back."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE tries")
        connection.exec_driver_sql("CREATE TABLE scratch AS SELECT 1 AS id")
        connection.exec_driver_sql("CREATE UNIQUE INDEX ON scratch (id)")
    return sa.func.nextval("tries")


SCRATCH: t.Final = sa.table("scratch", sa.column("id", sa.Integer))


def refused(engine: sa.Engine, statement: sa.Select[t.Any], *settings: str) -> DBAPIError:
    """Return the error of a statement that must have been executed once, and close nothing."""
    with engine.connect() as connection:
        begin_autocommit(connection)
        for setting in settings:
            connection.exec_driver_sql(f"SET {setting}")
        with pytest.raises(DBAPIError) as raised:
            DriverStatement(statement, engine).one_or_none(connection, {})
        assert connection.exec_driver_sql("SELECT last_value FROM tries").scalar_one() == 1
    assert isinstance(raised.value.orig, psycopg.Error)
    assert not raised.value.connection_invalidated
    return raised.value


@pytest.mark.parametrize("watched", [False, True])
class TestRefusals:
    @pytest.fixture(autouse=True)
    def _watch(self, engine, watched):
        if watched:
            watch(engine)

    def test_a_locked_row_is_waited_for_once(self, engine, tries):
        with engine.connect() as other:
            other.execute(sa.select(SCRATCH).with_for_update())
            locked = sa.select(tries, SCRATCH.c.id).with_for_update()
            error = refused(engine, locked, "lock_timeout = '50ms'")
        assert isinstance(error, OperationalError)
        assert is_unavailable(error)

    def test_a_slow_statement_is_cancelled_once(self, engine, tries):
        slow = sa.select(tries, sa.func.pg_sleep(60).label("slept"))
        error = refused(engine, slow, "statement_timeout = '50ms'")
        assert isinstance(error, OperationalError)
        assert isinstance(error.orig, psycopg.errors.QueryCanceled)

    def test_a_duplicate_is_inserted_once(self, engine, tries):
        again = sa.insert(SCRATCH).from_select(["id"], sa.select(tries)).returning(SCRATCH.c.id)
        error = refused(engine, sa.select(again.cte("again").c.id))
        assert isinstance(error, IntegrityError)
        assert isinstance(error.orig, psycopg.errors.UniqueViolation)


@pytest.mark.parametrize("watched", [False, True])
def test_a_session_that_only_reads_is_discarded(engine, watched):
    if watched:
        watch(engine)
    with engine.connect() as connection:
        begin_autocommit(connection)
        connection.exec_driver_sql("CREATE TABLE scratch (id int)")
        connection.exec_driver_sql("SET default_transaction_read_only = on")
        values = sa.select(sa.literal(1).label("id"))
        insert = sa.insert(SCRATCH).from_select(["id"], values).returning(SCRATCH.c.id)
        with pytest.raises(DBAPIError) as raised:
            DriverStatement(sa.select(insert.cte("new").c.id), engine).one_or_none(connection, {})
    assert is_read_only(raised.value)
    assert raised.value.connection_invalidated
    with engine.begin() as connection:
        connection.execute(sa.insert(SCRATCH).values(id=1))


def test_a_session_that_ends_during_a_statement_is_discarded(engine):
    end = sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid()).label("ended"))
    with engine.connect() as connection:
        begin_autocommit(connection)
        with pytest.raises(OperationalError) as raised:
            DriverStatement(end, engine).one_or_none(connection, {})
    assert raised.value.connection_invalidated
    assert is_unavailable(raised.value)
    assert inverse(engine, 1).given == 1


def test_a_connection_that_breaks_is_discarded(engine, postgres):
    with engine.connect() as connection:
        begin_autocommit(connection)
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with engine.connect() as other:
            other.exec_driver_sql("SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})
        statement = DriverStatement(INVERSE, engine)
        with pytest.raises(OperationalError) as raised:
            statement.one_or_none(connection, {NUMBER.key: 1})
    assert is_unavailable(raised.value)
    assert inverse(engine, 1).given == 1
