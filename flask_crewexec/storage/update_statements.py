"""Building blocks of cached UPDATEs of one row: building one takes longer than running it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Mapping

import sqlalchemy as sa

from ..models import Usage

Values = dict[str, t.Any]

STATEMENT_CACHE_SIZE: t.Final = 64
"""How many statements of a kind are cached: one for each set of columns that are changed."""


def set_clauses(table: sa.Table, names: Iterable[str], prefix: str = "new") -> Values:
    """Return the SET clauses of the columns *names*, with the parameters of :func:`bind_values`."""
    return {name: _parameter(table, name, prefix) for name in names}


def increment_clauses(table: sa.Table, prefix: str = "new") -> Values:
    """Return SET clauses that add a usage, with the parameters of :func:`bind_values`."""
    return {name: table.c[name] + _parameter(table, name, prefix) for name in Usage._fields}


def bind_values(values: Mapping[str, t.Any], prefix: str = "new") -> Values:
    """Return the parameters for new *values*."""
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _parameter(table: sa.Table, name: str, prefix: str) -> sa.BindParameter[t.Any]:
    return sa.bindparam(f"{prefix}_{name}", type_=table.c[name].type)
