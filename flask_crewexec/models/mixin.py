"""What all tables have in common: column types, indexes, and the base of the mixins."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import mapped_column

Json = dict[str, t.Any]
UtcDateTime = t.Annotated[dt.datetime, mapped_column(sa.DateTime(timezone=True))]
_USER: t.Final = "crewexec_user"
UserId = t.Annotated[str, mapped_column(sa.String(255), info={_USER: True})]


class IndexSpec(t.NamedTuple):
    """An index, created after the host's own columns are known."""

    columns: tuple[str, ...]
    where: str | None = None
    """SQL condition of a partial index, which stays small while few rows satisfy it."""
    unique: bool = False


class Mixin:
    """Base of the mixins, each of which describes one table."""

    __indexes__: t.ClassVar[dict[str, IndexSpec]] = {}

    if t.TYPE_CHECKING:
        # Mixins are not mapped; type checkers only need to know that models take keywords.
        __tablename__: str

        def __init__(self, **columns: t.Any) -> None: ...


def is_user_column(column: sa.Column[t.Any]) -> bool:
    """Return whether a column holds ids of users, which are erased with their data."""
    return _USER in column.info


def table_of(model: type[t.Any]) -> sa.Table:
    """Return a model's table, for statements that run too often for the cost of the mapper."""
    return t.cast(sa.Table, sa.inspect(model).local_table)
