"""Time that passes at once: the database's clock and that of this process are set ahead."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

import sqlalchemy as sa

from . import shifted_clock

WEEK: t.Final = 7 * 24 * 3600.0


@contextlib.contextmanager
def later(engine: sa.Engine, seconds: float = WEEK) -> Iterator[None]:
    """Let every statement of an engine, and this process, find a later time."""

    def move(
        connection: object, cursor: object, statement: str, parameters: object, *rest: object
    ) -> tuple[str, object]:
        postgres = f"(statement_timestamp() + interval '{seconds} seconds')"
        moved = statement.replace("statement_timestamp()", postgres)
        return moved.replace("'now'", f"'now', '+{seconds} seconds'"), parameters

    sa.event.listen(engine, "before_cursor_execute", move, retval=True)
    shifted_clock.set_ahead(seconds)
    try:
        yield
    finally:
        shifted_clock.set_right()
        sa.event.remove(engine, "before_cursor_execute", move)
