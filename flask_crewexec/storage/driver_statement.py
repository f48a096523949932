"""Statements as text for the driver.

SQLAlchemy looks up each statement by its structure and converts each parameter, which takes longer
than sending a statement with many parts. Here that is done once.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

import sqlalchemy as sa


class DriverStatement:
    """A statement that is compiled once, for the driver and the schemas of an engine.

    :param statement: its parameters must have types that the driver can send as they are, such as
        text, numbers, UUIDs and times.
    """

    def __init__(self, statement: sa.Executable, engine: sa.Engine) -> None:
        schemas = engine.get_execution_options().get("schema_translate_map")
        compiled = t.cast(t.Any, statement).compile(
            dialect=engine.dialect,
            schema_translate_map=schemas,
            render_schema_translate=schemas is not None,
        )
        self.text: str = str(compiled)
        self.parameters: dict[str, t.Any] = dict(compiled.params)
        self._positions: list[str] | None = compiled.positiontup

    def execute(
        self, connection: sa.Connection, values: Mapping[str, t.Any]
    ) -> sa.CursorResult[t.Any]:
        """Execute it with *values* by parameter."""
        parameters = {**self.parameters, **values}
        if self._positions is None:
            return connection.exec_driver_sql(self.text, parameters)
        given = tuple(parameters[name] for name in self._positions)
        return connection.exec_driver_sql(self.text, given)
