"""Statements that go past SQLAlchemy, while nobody watches it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DataError

from flask_crewexec.database.connection_events import adapt_connections
from flask_crewexec.database.connection_events import begin_autocommit
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


@pytest.mark.parametrize("watched", [False, True])
def test_a_locked_row_is_waited_for_once(engine, watched):
    if watched:
        watch(engine)
    scratch = sa.table("scratch", sa.column("id"))
    tries = sa.select(sa.func.nextval("tries"), scratch.c.id).with_for_update()
    with engine.connect() as other, engine.connect() as connection:
        other.exec_driver_sql("CREATE SEQUENCE tries")
        other.exec_driver_sql("CREATE TABLE scratch AS SELECT 1 AS id")
        other.commit()
        other.exec_driver_sql("SELECT * FROM scratch FOR UPDATE")
        begin_autocommit(connection)
        connection.exec_driver_sql("SET lock_timeout = '50ms'")
        with pytest.raises(sa.exc.OperationalError) as raised:
            DriverStatement(tries, engine).one_or_none(connection, {})
        assert is_unavailable(raised.value)
        assert connection.exec_driver_sql("SELECT last_value FROM tries").scalar_one() == 1


def test_a_connection_that_breaks_is_discarded(engine, postgres):
    with engine.connect() as connection:
        begin_autocommit(connection)
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with engine.connect() as other:
            other.exec_driver_sql("SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})
        statement = DriverStatement(INVERSE, engine)
        with pytest.raises(sa.exc.OperationalError) as raised:
            statement.one_or_none(connection, {NUMBER.key: 1})
    assert is_unavailable(raised.value)
    assert inverse(engine, 1).given == 1
