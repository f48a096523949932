"""Many executions at once, as years of use would leave them, written by the database itself.

The newest :data:`UNFINISHED` wait, run or will be tried again; all others have ended. Users with
many executions and with few, states, threads and graphs are mixed evenly through time.
"""

from __future__ import annotations

import json
import time
import typing as t
import uuid

import sqlalchemy as sa

from flask_crewexec import graphs
from support.graphs import documents
from support.stored_events import INVENTED

USER = "ada"
"""Has three of seven executions, of three graphs."""
RARE_USER = "user-7"
"""One of two hundred who share the others, with one graph each."""
USED_GRAPHS: t.Final = 203
GRAPHS: t.Final = 5_000
"""Most have no executions; of those, one in fifty is archived."""
UNFINISHED: t.Final = 400
WEBHOOKS: t.Final = 2_000
WEBHOOK: t.Final = uuid.UUID("00000000-03e8-7000-8000-000000000000")
"""That of the user with many executions."""
STEPS: t.Final = 3
EVENTS: t.Final = 10

_DOCUMENT: t.Final = documents.chain("a", "b", "c")
_ANSWER: t.Final = json.dumps({"raw": "A long answer of a model. " * 8})
_USED: t.Final = "llm_calls, prompt_tokens, completion_tokens, cost_nanos, tool_calls"


def fill(
    connection: sa.Connection, executions: int, *, every: float = 60.0, detailed: int = 0
) -> None:
    """Insert so many executions into empty tables, and let the database look at what it has.

    :param every: seconds from one to the next; the newest is of now.
    :param detailed: how many of the newest have steps and events.
    """
    sql = _Sql(connection.dialect.name, executions, time.time(), every)
    first = executions - detailed
    statements = [
        sql.graphs(),
        sql.versions(),
        sql.executions(),
        sql.steps(first),
        sql.events(first),
        sql.deliveries(first, "handler:told", 2, "waiting"),
        sql.deliveries(first, f"webhook:{WEBHOOK}", 3, "failed"),
        sql.webhooks(),
        sql.input_requests(first),
        sql.input_assignees(first),
    ]
    for statement in statements:
        connection.execute(sa.text(statement))
    connection.commit()
    connection.execution_options(isolation_level="AUTOCOMMIT")
    connection.exec_driver_sql("VACUUM")
    connection.exec_driver_sql("ANALYZE")


class _Sql:
    """The statements, in the words of one database; ``i`` counts rows from the oldest, 0."""

    def __init__(self, dialect: str, executions: int, now: float, every: float) -> None:
        self._is_postgres = dialect == "postgresql"
        self._count = executions
        self._now = now
        self._every = every

    def graphs(self) -> str:
        archived = f"i >= {USED_GRAPHS} AND i % 50 = 0"
        columns = {
            "id": self._id("i"),
            "owner_id": f"CASE WHEN i < 3 THEN '{USER}' ELSE 'user-' || ((i - 3) % 200) END",
            "name": "'graph ' || i",
            "latest_version": "1",
            "created_at": self._moment("0"),
            "updated_at": self._moment("0"),
            "deleted_at": f"CASE WHEN {archived} THEN {self._moment('0')} END",
        }
        return _insert("crewexec_graph", columns, _numbers(0, GRAPHS))

    def versions(self) -> str:
        columns = {
            "graph_id": self._id("i"),
            "number": "1",
            "document": self._json(json.dumps(_DOCUMENT)),
            "digest": f"'{graphs.digest(_DOCUMENT)}'",
            "author_id": f"'{USER}'",
            "created_at": self._moment("0"),
        }
        return _insert("crewexec_graph_version", columns, _numbers(0, GRAPHS))

    def executions(self) -> str:
        first = self._count - UNFINISHED
        state = _case(
            ("i < {first} AND i % 100 < 90", "completed"),
            ("i < {first} AND i % 100 < 96", "failed"),
            ("i < {first} AND i % 100 < 99", "cancelled"),
            ("i < {first}", "timed_out"),
            ("i % 8 < 5", "queued"),
            ("i % 8 < 7", "running"),
            otherwise="retrying",
            first=first,
        )
        return _insert("crewexec_execution", self._columns(), self._rows(state))

    def _rows(self, state: str) -> str:
        is_own = "i % 7 IN (1, 3, 5)"
        return (
            f"(SELECT i, {state} AS state,"
            f" {self._now} - {self._every} * ({self._count - 1} - i) AS born,"
            f" CASE WHEN {is_own} THEN i % 3 ELSE 3 + (i / 7) % 200 END AS g"
            f" FROM {_numbers(0, self._count)}) AS rows"
        )

    def _columns(self) -> dict[str, str]:
        ended = "state IN ('completed', 'failed', 'cancelled', 'timed_out')"
        running = "state = 'running'"
        held = "state = 'queued' AND i % 2 = 0"
        tomorrow = self._moment(f"{self._now} + 86400")
        sent = f"NOT ({ended}) AND NOT ({held})"
        return {
            "id": self._id("i", "born"),
            "owner_id": f"CASE WHEN g < 3 THEN '{USER}' ELSE 'user-' || (g - 3) END",
            "thread_id": "CASE WHEN i % 3 = 0 THEN 'thread-' || (i / 30) END",
            "graph_id": self._id("g"),
            "graph_version": "1",
            "status": "state",
            "priority": "CASE WHEN i % 4 = 0 THEN 1 + (i / 4) % 10 ELSE 5 END",
            "urgency": "CASE WHEN i % 4 = 0 THEN 1 + (i / 4) % 10 ELSE 5 END",
            "inputs": self._json('{"topic": "tea"}'),
            "attempt": "CASE WHEN i % 50 = 1 THEN 2 ELSE 1 END",
            **dict.fromkeys(("retries", "lost_attempts", "writes"), "0"),
            "token": f"CASE WHEN {running} THEN {self._id('i')} END",
            "worker": f"CASE WHEN {running} THEN 'worker@host' END",
            "lease_expires_at": f"CASE WHEN {running} THEN {self._moment(f'{self._now} + 30')} END",
            "published_at": f"CASE WHEN {sent} THEN {self._moment('born')} END",
            "on_hold": self._boolean(held),
            "available_at": f"CASE WHEN state = 'retrying' THEN {tomorrow} END",
            "deadline": f"CASE WHEN state <> 'queued' AND i % 2 = 0 THEN {tomorrow} END",
            "result": f"CASE WHEN state = 'completed' THEN {self._json(_ANSWER)} END",
            "error_code": "CASE WHEN state = 'failed' AND i % 500 = 90 THEN 'worker-lost'"
            " WHEN state = 'failed' THEN 'crew-failed'"
            " WHEN state = 'timed_out' THEN 'deadline-exceeded' END",
            "total_steps": str(STEPS),
            "finished_steps": f"CASE WHEN {ended} THEN {STEPS} ELSE 0 END",
            "last_event": str(EVENTS),
            **dict.fromkeys(_USED.split(", "), f"CASE WHEN {ended} THEN 1000 ELSE 0 END"),
            "created_at": self._moment("born"),
            "queued_at": self._moment("born"),
            "started_at": f"CASE WHEN state <> 'queued' THEN {self._moment('born + 5')} END",
            "finished_at": f"CASE WHEN {ended} THEN {self._moment('born + 90')} END",
        }

    def steps(self, first: int) -> str:
        columns = {
            "execution_id": "execution.id",
            "position": "i",
            "node_id": "'step-' || i",
            "name": "'step-' || i",
            "status": "'completed'",
            "output": self._json(_ANSWER),
            **dict.fromkeys(_USED.split(", "), "300"),
        }
        source = f"crewexec_execution AS execution, {_numbers(0, STEPS)}"
        return _insert("crewexec_step", columns, f"{source} WHERE {self._newest(first)}")

    def events(self, first: int) -> str:
        columns = {
            "execution_id": "execution.id",
            "seq": "i",
            "type": f"CASE i WHEN 1 THEN 'queued' WHEN 2 THEN 'started' ELSE '{INVENTED}' END",
            "data": self._json('{"attempt": 1}'),
            "created_at": "execution.created_at",
        }
        source = f"crewexec_execution AS execution, {_numbers(1, EVENTS + 1)}"
        return _insert("crewexec_event", columns, f"{source} WHERE {self._newest(first)}")

    def deliveries(self, first: int, receiver: str, seq: int, status: str) -> str:
        """All are delivered, but one of each of the most urgent executions has a *status*."""
        others = f"i = {seq} AND execution.urgency = 1"
        has_ended = f"NOT ({others} AND '{status}' = 'waiting')"
        columns = {
            "execution_id": "execution.id",
            "receiver": f"'{receiver}'",
            "seq": "i",
            "type": "'execution.started'",
            "status": f"CASE WHEN {others} THEN '{status}' ELSE 'delivered' END",
            "due_at": "execution.created_at",
            "ended_at": f"CASE WHEN {has_ended} THEN execution.created_at END",
        }
        source = f"crewexec_execution AS execution, {_numbers(1, EVENTS + 1)}"
        return _insert("crewexec_delivery", columns, f"{source} WHERE {self._newest(first)}")

    def webhooks(self) -> str:
        columns = {
            "id": self._id("i"),
            "owner_id": f"CASE WHEN i = 0 THEN '{USER}' ELSE 'user-' || (i % 200) END",
            "url": "'https://example.com/' || i",
            "events": "' execution.completed '",
            "created_at": self._moment("0"),
            "updated_at": self._moment("0"),
        }
        return _insert("crewexec_webhook", columns, _numbers(0, WEBHOOKS))

    def input_requests(self, first: int) -> str:
        """Those of the most urgent executions are open, and ask an editor."""
        is_open = "execution.urgency = 1"
        columns = {
            **dict.fromkeys(("id", "execution_id"), "execution.id"),
            "owner_id": "execution.owner_id",
            "kind": "'review'",
            **dict.fromkeys(("step", "generation"), "0"),
            "step_name": "'step-0'",
            "round": "1",
            "draft": self._json('{"text": "A draft"}'),
            "decisions": self._json('["approve"]'),
            "is_assigned": self._boolean(is_open),
            "expires_at": self._moment(f"{self._now} + 86400"),
            "on_expiry": "'fail'",
            "status": f"CASE WHEN {is_open} THEN 'open' ELSE 'answered' END",
            "created_at": "execution.created_at",
        }
        source = "crewexec_execution AS execution"
        return _insert("crewexec_input_request", columns, f"{source} WHERE {self._newest(first)}")

    def input_assignees(self, first: int) -> str:
        is_open = "execution.urgency = 1"
        somebody = "CAST(execution.id AS VARCHAR(40))"
        columns = {
            "request_id": "execution.id",
            "kind": f"CASE WHEN {is_open} THEN 'role' ELSE 'user' END",
            "name": f"CASE WHEN {is_open} THEN 'editor' ELSE {somebody} END",
        }
        source = "crewexec_execution AS execution"
        return _insert("crewexec_input_assignee", columns, f"{source} WHERE {self._newest(first)}")

    def _newest(self, first: int) -> str:
        born = f"({self._now} - {self._every} * ({self._count - 1} - {first}))"
        return f"execution.id >= {self._id('0', born)}"

    def _id(self, number: str, born: str = "1") -> str:
        """Return the SQL for a UUID of version 7, by its moment and a number of its own."""
        text = f"{self._hex(f'{born} * 1000', 12)} || '70008' || {self._hex(number, 15)}"
        return f"CAST({text} AS uuid)" if self._is_postgres else text

    def _hex(self, number: str, digits: int) -> str:
        if self._is_postgres:
            return f"lpad(to_hex(CAST(floor({number}) AS bigint)), {digits}, '0')"
        return f"printf('%0{digits}x', CAST({number} AS integer))"

    def _moment(self, seconds: str) -> str:
        if self._is_postgres:
            return f"to_timestamp({seconds})"
        return f"strftime('%Y-%m-%d %H:%M:%f000', {seconds}, 'unixepoch')"

    def _json(self, text: str) -> str:
        return f"CAST('{text}' AS json)" if self._is_postgres else f"'{text}'"

    def _boolean(self, condition: str) -> str:
        return f"({condition})" if self._is_postgres else f"CASE WHEN {condition} THEN 1 ELSE 0 END"


def _insert(table: str, columns: dict[str, str], source: str) -> str:
    values = ", ".join(columns.values())
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {source}"


def _numbers(first: int, end: int) -> str:
    return (
        f"(WITH RECURSIVE number(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM number"
        f" WHERE i < {end - 1}) SELECT i FROM number) AS numbers"
    )


def _case(*choices: tuple[str, str], otherwise: str, **values: object) -> str:
    whens = " ".join(f"WHEN {when.format(**values)} THEN '{then}'" for when, then in choices)
    return f"CASE {whens} ELSE '{otherwise}' END"
