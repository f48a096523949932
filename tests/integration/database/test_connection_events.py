"""Connections of the host's engine that the extension borrows are returned as they were."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_crewexec.database.connection_events import adapt_connections
from flask_crewexec.database.connection_events import begin_autocommit

pytestmark = pytest.mark.postgresql


@pytest.fixture
def url(app: Flask) -> sa.URL:
    return app.extensions["crewexec"].database.engine.url


@pytest.mark.parametrize("driver", ["psycopg", "another"])
def test_statements_are_committed_until_the_connection_is_returned(url, driver, monkeypatch):
    engine = sa.create_engine(url, pool_size=1, max_overflow=0)
    adapt_connections(engine)
    monkeypatch.setattr(engine.dialect, "driver", driver)
    with engine.connect() as connection:
        begin_autocommit(connection)
        connection.exec_driver_sql("CREATE TABLE scratch (id integer)")
        connection.rollback()
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM scratch").scalar_one() == 0
            connection.exec_driver_sql("INSERT INTO scratch VALUES (1)")
            connection.rollback()
    engine.dispose()


def test_a_host_that_commits_each_statement_goes_on_to_do_so(url):
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, isolation_level="AUTOCOMMIT")
    adapt_connections(engine)
    with engine.connect() as connection:
        begin_autocommit(connection)
        connection.exec_driver_sql("CREATE TABLE scratch (id integer)")
    with engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO scratch VALUES (1)")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM scratch").scalar_one() == 1
    engine.dispose()
