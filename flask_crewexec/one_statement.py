"""Several changes as one statement: a transaction of its own, and one round trip instead of many.

It takes common table expressions that change data, which PostgreSQL has and SQLite has not.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from .binding import Binding
from .binding import LOCK_SECONDS


def is_possible(binding: Binding) -> bool:
    """Return whether the database of *binding* has such statements."""
    return binding.engine.dialect.name == "postgresql"


def is_bounded() -> sa.ColumnElement[bool]:
    """Return a condition that is true, and limits how long the statement may wait for a lock."""
    bound = sa.func.set_config("lock_timeout", f"{LOCK_SECONDS}s", True)
    return sa.select(bound).scalar_subquery() != ""


def rows(table: sa.Table, names: Iterable[str], prefix: str) -> sa.TableValuedAlias:
    """Return rows of these columns, however many are given, with their ``place`` from 1."""
    columns = [sa.column(name, table.c[name].type) for name in names]
    given = [sa.bindparam(f"{prefix}_{c.name}", type_=ARRAY(c.type)) for c in columns]
    each = sa.func.unnest(*given).table_valued(*columns, with_ordinality="place", name=prefix)
    return each.render_derived()


def of_rows(given: Sequence[Mapping[str, t.Any]], prefix: str) -> dict[str, t.Any]:
    """Return the parameters for :func:`rows`."""
    names = given[0] if given else ()
    return {f"{prefix}_{name}": [row[name] for row in given] for name in names}
