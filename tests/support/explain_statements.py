"""How much each statement gives the database to do: it is run before its time, and undone."""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Iterator

import sqlalchemy as sa

LARGE = ("execution", "step", "event", "delivery", "webhook", "graph_version", "graph")
"""Tables that grow with use, without their prefix."""

_READS: t.Final = re.compile(r"\s*(WITH|SELECT|UPDATE|DELETE)\b", re.IGNORECASE)
_SCAN: t.Final = re.compile(r"SCAN (crewexec_\w+|\w+)(?! USING (COVERING )?INDEX)$")


class Rehearsed(t.NamedTuple):
    """A statement as it was about to be sent."""

    label: str
    statement: str
    work: int
    """Rows of tables and indexes that it touches; on SQLite instructions, by hundreds."""
    plan: str
    indexes: frozenset[str]

    def __str__(self) -> str:
        return f"{self.label}: {self.work}\n{self.statement}\n{self.plan}\n"


class Rehearsal:
    """Listens to an engine."""

    def __init__(self) -> None:
        self.statements: list[Rehearsed] = []
        self._label = ""

    @contextlib.contextmanager
    def of(self, engine: sa.Engine) -> Iterator[t.Self]:
        """Rehearse each statement that is sent within."""
        sa.event.listen(engine, "before_cursor_execute", self._rehearse)
        yield self
        sa.event.remove(engine, "before_cursor_execute", self._rehearse)

    @contextlib.contextmanager
    def label(self, label: str) -> Iterator[None]:
        """Give the statements within a name."""
        self._label = label
        yield
        self._label = ""

    def _rehearse(
        self,
        connection: sa.Connection,
        cursor: t.Any,
        statement: str,
        parameters: t.Any,
        context: object,
        many: bool,
    ) -> None:
        if not _READS.match(statement):
            return
        weigh = _on_postgresql if connection.dialect.name == "postgresql" else _on_sqlite
        with contextlib.closing(cursor.connection.cursor()) as own, _undone(own):
            found = weigh(own, statement, parameters[0] if many else parameters)
        self.statements.append(Rehearsed(self._label, statement, *found))


@contextlib.contextmanager
def _undone(cursor: t.Any) -> Iterator[None]:
    """Undo what is done within, and leave the connection as it is."""
    # SQLite's has no such attribute before Python 3.12, and -1 since.
    is_alone = getattr(cursor.connection, "autocommit", None) is True
    cursor.execute("BEGIN" if is_alone else "SAVEPOINT rehearsal")
    try:
        yield
    finally:
        if is_alone:
            cursor.execute("ROLLBACK")
        else:
            cursor.execute("ROLLBACK TO SAVEPOINT rehearsal")
            cursor.execute("RELEASE SAVEPOINT rehearsal")


def _on_postgresql(cursor: t.Any, statement: str, parameters: t.Any) -> tuple[t.Any, ...]:
    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters)
    nodes = [*_nodes(cursor.fetchone()[0][0]["Plan"])]
    work = sum(_rows(node) for node in nodes if "Scan" in node["Node Type"])
    lines = [f"{_rows(node):8} {_words(node)}" for node in nodes]
    return work, "\n".join(lines), frozenset(node.get("Index Name", "") for node in nodes)


def _nodes(plan: dict[str, t.Any]) -> Iterator[dict[str, t.Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _rows(node: dict[str, t.Any]) -> int:
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    each: float = node["Actual Rows"] + sum(node.get(name, 0) for name in removed)
    return round(each * float(node["Actual Loops"]))


def _words(node: dict[str, t.Any]) -> str:
    names = ("Node Type", "Relation Name", "Index Name", "Index Cond", "Filter", "Sort Key")
    return " | ".join(str(node[name]) for name in names if name in node)


def _on_sqlite(cursor: t.Any, statement: str, parameters: t.Any) -> tuple[t.Any, ...]:
    lines = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    plan = "\n".join(line[3] for line in lines)
    hundreds = 0

    def count() -> int:
        nonlocal hundreds
        hundreds += 1
        return 0

    cursor.connection.set_progress_handler(count, 100)
    try:
        cursor.execute(statement, parameters).fetchall()
    finally:
        cursor.connection.set_progress_handler(None, 0)
    return hundreds, plan, frozenset(re.findall(r"INDEX (\w+)", plan))
