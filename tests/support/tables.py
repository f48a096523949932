"""The host's tables, made with one call to the database instead of one for each table and index."""

from __future__ import annotations

import functools
import typing as t

import sqlalchemy as sa

from support.host_app import host


def create_tables(engine: sa.Engine) -> None:
    """Create what ``create_all()`` creates, in a database that is empty."""
    script = _script(engine.url.get_backend_name())
    with engine.begin() as connection:
        driver: t.Any = connection.connection.driver_connection
        run = driver.executescript if engine.dialect.name == "sqlite" else driver.execute
        run(script)


@functools.cache
def _script(backend: str) -> str:
    statements: list[str] = []

    def note(statement: t.Any, *args: object, **options: object) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = sa.create_mock_engine(f"{backend}://", note)
    host.db.metadata.create_all(engine, checkfirst=False)
    return ";".join(statements)
