"""Changes of one row, as statements that are made once: to make one takes longer than to run it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Mapping

import sqlalchemy as sa

from .models import Usage

Values = dict[str, t.Any]

KEPT: t.Final = 64
"""How many statements of one form are kept: one for each set of columns that are changed."""


def settings_of(table: sa.Table, names: Iterable[str]) -> Values:
    """Return what sets the columns *names* to the :func:`parameters`."""
    return {name: sa.bindparam(_new(name), type_=table.c[name].type) for name in names}


def additions_to(table: sa.Table) -> Values:
    """Return what adds a usage, given as :func:`parameters`, to that of the row."""
    return {
        name: table.c[name] + sa.bindparam(_new(name), type_=table.c[name].type)
        for name in Usage._fields
    }


def parameters(values: Mapping[str, t.Any]) -> Values:
    """Return the parameters for new *values*."""
    return {_new(name): value for name, value in values.items()}


def _new(name: str) -> str:
    return f"new_{name}"
