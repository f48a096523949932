"""Which kinds of database a test runs with, by its markers."""

from __future__ import annotations

import typing as t

import pytest

BOTH: t.Final = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
_ONE: t.Final = {"sqlite_enough": BOTH[:1], "postgresql": BOTH[1:]}
_EACH_POOL: t.Final = [
    pytest.param("postgresql", "prefork", marks=pytest.mark.postgresql),
    ("sqlite", "threads"),
]


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Run a test with both kinds of database unless its nearest marker says otherwise."""
    names = (mark.name for mark in metafunc.definition.iter_markers())
    chosen = next((name for name in names if name in (*_ONE, "each_pool")), None)
    if chosen == "each_pool":
        metafunc.parametrize(("database_url", "pool"), _EACH_POOL, indirect=["database_url"])
    else:
        metafunc.parametrize("database_url", _ONE.get(chosen or "", BOTH), indirect=True)
