"""The columns that a host has added to the model of executions."""

from __future__ import annotations

import inspect
import typing as t

import sqlalchemy as sa

from .execution import ExecutionMixin

_OURS: t.Final = frozenset(
    name for part in ExecutionMixin.__mro__ for name in inspect.get_annotations(part)
)


def own_columns(model: type[ExecutionMixin]) -> dict[str, sa.Column[t.Any]]:
    """Return the columns of the host that can be set, by the names of their attributes."""
    columns = {each.key: each.columns[0] for each in sa.inspect(model).column_attrs}
    return {
        name: column
        for name, column in columns.items()
        if name not in _OURS and isinstance(column, sa.Column) and column.computed is None
    }


def copied_values(execution: ExecutionMixin) -> dict[str, t.Any]:
    """Return the values of the host's columns that another execution may have, too.

    A unique value can only be this one's, and one that is set on update says when this one was.
    """
    columns = own_columns(type(execution))
    names = [name for name, column in columns.items() if _may_be_copied(column)]
    return {name: getattr(execution, name) for name in names}


def _may_be_copied(column: sa.Column[t.Any]) -> bool:
    if column.onupdate is not None or column.server_onupdate is not None:
        return False
    constraints: set[t.Any] = column.table.constraints | column.table.indexes
    unique = (each for each in constraints if _is_unique(each))
    return not any(column.name in each.columns for each in unique)


def _is_unique(each: t.Any) -> bool:
    return isinstance(each, sa.UniqueConstraint) or bool(getattr(each, "unique", False))
