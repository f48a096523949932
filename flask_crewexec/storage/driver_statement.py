"""Statements as text for the driver.

SQLAlchemy looks up each statement by its structure, converts each parameter and prepares for each
result, which takes longer than sending a statement with many parts. Here that is done once.
"""

from __future__ import annotations

import types
import typing as t
from collections.abc import Mapping

import sqlalchemy as sa

from ..database.connection_events import READ_ONLY


class DriverStatement:
    """A statement that is compiled once, for the driver and the schemas of an engine.

    :param select: its parameters must have types that the driver can send as they are, such as
        text, numbers, UUIDs and times.
    """

    def __init__(self, select: sa.Select[*tuple[t.Any, ...]], engine: sa.Engine) -> None:
        schemas = engine.get_execution_options().get("schema_translate_map")
        compiled = t.cast(t.Any, select).compile(
            dialect=engine.dialect,
            schema_translate_map=schemas,
            render_schema_translate=schemas is not None,
        )
        self.text: str = str(compiled)
        self.parameters: dict[str, t.Any] = dict(compiled.params)
        self._positions: list[str] | None = compiled.positiontup
        self._names = select.selected_columns.keys()
        self._is_psycopg = engine.dialect.driver == "psycopg"

    def one_or_none(self, connection: sa.Connection, values: Mapping[str, t.Any]) -> t.Any:
        """Execute it with *values* by parameter.

        :param connection: one that commits each statement.
        :return: its only row, whose values are attributes, or None if there is none.
        """
        given = self._given(values)
        if self._is_psycopg and not _is_watched(connection.engine):
            driver = t.cast(t.Any, connection.connection.driver_connection)
            try:
                row = driver.execute(self.text, given).fetchone()
            except driver.Error as error:
                _raise_unless_discarded(error, connection.engine, driver)
                # SQLAlchemy gets the error again, and discards the connection.
            else:
                return row and types.SimpleNamespace(**dict(zip(self._names, row, strict=True)))
        return connection.exec_driver_sql(self.text, given).one_or_none()

    def _given(self, values: Mapping[str, t.Any]) -> t.Any:
        parameters = {**self.parameters, **values}
        if self._positions is None:
            return parameters
        return tuple(parameters[name] for name in self._positions)


def _raise_unless_discarded(error: t.Any, engine: sa.Engine, driver: t.Any) -> None:
    """Raise the error of SQLAlchemy if the connection is still of use: nothing is executed twice.

    :raises DBAPIError: without the statement, which is long and has values of users.
    """
    if not driver.closed and error.sqlstate != READ_ONLY:
        kind = driver.Error
        raise sa.exc.DBAPIError.instance("", None, error, kind, dialect=engine.dialect) from error


def _is_watched(engine: sa.Engine) -> bool:
    """Return whether somebody wants to see each statement, such as tracing or a log."""
    events = engine.dispatch
    return bool(engine.echo or events.before_cursor_execute or events.after_cursor_execute)
