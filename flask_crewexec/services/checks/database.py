"""Checks of the database: its version, its tables, its clock, and what is in front of it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Iterator

import sqlalchemy as sa

from ...app_state import AppState
from ...storage.schema_differences import Difference
from ...storage.schema_differences import find_differences
from ...storage.server_facts import find_pooler
from ...storage.server_facts import read_clock
from ...storage.server_facts import read_server
from .check import Check
from .check import error
from .check import ok
from .check import Result
from .check import skipped
from .check import unless_any
from .check import warning

_NAMES: t.Final = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
LOWEST_VERSIONS: t.Final = {"postgresql": (14,), "sqlite": (3, 35)}
"""Of PostgreSQL, those that are maintained; of SQLite, those that know ``RETURNING``."""
MAX_SKEW_SECONDS: t.Final = 5.0
BEAT_SKEW_SECONDS: t.Final = 1800.0
"""From half of the time on for which messages of beat are valid."""
_MIGRATE: t.Final = "Write and run a migration: 'flask --app myapp db migrate' finds most of it."


def check_server(app_state: AppState) -> Iterator[Result]:
    """Check that the database can be reached, and its version."""
    try:
        server = read_server(app_state)
    except sa.exc.SQLAlchemyError:
        yield error(
            "The database cannot be reached, or refuses its user.",
            "Check its URL, its server, and the rights of the user.",
        )
        return
    shown = f"{_NAMES[server.dialect]} {'.'.join(map(str, server.version))}"
    lowest = LOWEST_VERSIONS[server.dialect]
    if server.version < lowest:
        yield error(
            f"The database is {shown}, which is too old.",
            f"Upgrade it to {'.'.join(map(str, lowest))} or newer.",
        )
    else:
        alone = ", for one machine" if server.dialect == "sqlite" else ""
        yield ok(f"The database is {shown}{alone}; its driver is {server.driver}.")


def check_schema(app_state: AppState) -> Iterable[Result]:
    """Check types, required columns and indexes of the tables that there are."""
    differences = find_differences(app_state)
    slow = [f"'{each.name}' {each.detail}" for each in differences if each.kind == "index"]
    others = [_difference(each) for each in differences if each.kind != "index"]
    return unless_any(
        [*others, *([_slow(slow)] if slow else [])], "Types and indexes are those of the code."
    )


def _difference(difference: Difference) -> Result:
    name, kind, detail = difference
    match kind:
        case "type":
            return warning(f"The column '{name}' {detail}.", _MIGRATE)
        case "unique":
            return error(f"The index '{name}' {detail}, so the same may be stored twice.", _MIGRATE)
        case _:
            return error(f"The column '{name}' {detail}.", _MIGRATE)


def _slow(indexes: list[str]) -> Result:
    return warning(f"Queries are slow, because of these indexes: {', '.join(indexes)}.", _MIGRATE)


def check_clock(app_state: AppState) -> Iterator[Result]:
    """Check that the clocks of this machine and of the database agree."""
    ahead, uncertainty = read_clock(app_state)
    skew = max(0.0, abs(ahead) - uncertainty)
    if skew <= MAX_SKEW_SECONDS:
        yield ok("The clocks of the database and of this machine agree.")
        return
    direction = "behind" if ahead > 0 else "ahead of"
    detail = f"The clock of this machine is {skew:.0f} s {direction} that of the database."
    if skew < BEAT_SKEW_SECONDS:
        detail += " Receivers may refuse webhooks, and times in logs mislead."
        yield warning(detail, "Synchronise the clocks, for instance with chrony.")
    else:
        detail += " Messages of beat may expire before a worker takes them."
        yield error(detail, "Synchronise the clocks, for instance with chrony.")


def check_pooler(app_state: AppState) -> Iterator[Result]:
    """Check that no statements are prepared behind a pooler."""
    if app_state.database.engine.dialect.name != "postgresql":
        yield skipped("Poolers are for PostgreSQL.")
        return
    pooler = find_pooler(app_state)
    if pooler is None:
        yield ok("No pooler was found in front of PostgreSQL.")
    elif pooler.prepare_threshold is None:
        yield ok("PostgreSQL is behind a pooler, and no statements are prepared.")
    else:
        yield warning(
            "PostgreSQL is behind a pooler, and your 'prepare_threshold' lets psycopg prepare"
            " statements.",
            "Set it to None, unless PgBouncer 1.22 or newer follows prepared statements.",
        )


CHECKS: t.Final = (
    Check("database-schema", check_schema, needs=("database-server",)),
    Check("clock", check_clock, needs=("database-server",)),
    Check("pooler", check_pooler, needs=("database-server",)),
)
SERVER: t.Final = Check("database-server", check_server)
