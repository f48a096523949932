"""What queueing asks of the database: one SELECT before, one INSERT after.

The statements are made once. Each is a transaction of its own, so that it takes one round trip.
"""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.sql.dml import ReturningInsert

from .. import graphs
from ..app_state import AppState
from ..errors import NotFound
from ..models import ExecutionMixin
from ..models import Models
from ..models import table_of
from ..per_app import AppLocal
from ..storage import cte_writes
from ..storage import database_clock
from ..storage.cte_writes import supports_cte_writes
from ..storage.graph_cache import graph_cache
from ..storage.graph_cache import Version
from ..storage.new_event import NewEvent
from ..storage.ownership import owned_by
from .fair_scheduler import may_publish_sql
from .fair_scheduler import scheduler_columns
from .fair_scheduler import scheduler_parameters
from .quotas import quota_columns
from .quotas import quota_parameters

Values = dict[str, t.Any]

_GRAPH: t.Final = sa.bindparam("of_graph", type_=sa.Uuid)
_NUMBER: t.Final = sa.bindparam("of_number", type_=sa.Integer)
_OWNER: t.Final = sa.bindparam("for_user", type_=sa.String)
_SENT: t.Final = sa.bindparam("new_sent", type_=sa.Boolean)


class Lookup(t.NamedTuple):
    """What an order needs to know."""

    version: Version
    graph: graphs.Graph
    admission_row: t.Any
    """A row for :func:`.standing.must_wait`."""


class _Statements:
    def __init__(self, app: Flask) -> None:
        app_state = app.extensions["crewexec"]
        models = app_state.models
        self.look = _lookup_query(app_state)
        self.document = sa.select(models.graph_version.document).where(
            models.graph_version.graph_id == _GRAPH, models.graph_version.number == _NUMBER
        )
        names = _names(models)
        self.parameters = [(f"new_{name}", name) for name in names]
        self.insert = _insert(models, names)
        self.place = _place(app_state, names)
        self.blank = _defaults(models)


_statements: t.Final = AppLocal(_Statements)


def look_up(app_state: AppState, owner: str, graph_id: uuid.UUID, priority: int) -> Lookup:
    """Return the newest version of the user's graph, and how the user stands.

    :raises NotFound: if the user has no such graph.
    """
    statements = _statements.current()
    values = {
        **scheduler_parameters(app_state, owner, priority),
        **quota_parameters(owner),
        _GRAPH.key: graph_id,
    }
    with app_state.database.autocommit_connection() as connection:
        found = connection.execute(statements.look, values).one_or_none()
        if found is None:
            raise NotFound(f"There is no graph '{graph_id}'.")
        version = Version(graph_id, found.latest_version)
        graph = graph_cache.current().get(version)
        if graph is None:
            key = {_GRAPH.key: graph_id, _NUMBER.key: version.number}
            document = connection.execute(statements.document, key).scalar_one()
    if graph is None:
        graph = graph_cache.current().parse_and_store(version, document)
    return Lookup(version, graph, found)


def _lookup_query(app_state: AppState) -> sa.Select[t.Any]:
    graph = app_state.models.graph
    columns = (*scheduler_columns(app_state), *quota_columns(app_state))
    return sa.select(graph.latest_version, *columns).where(
        graph.id == _GRAPH, owned_by(graph, _OWNER), graph.deleted_at.is_(None)
    )


class _NewExecution(ExecutionMixin):
    """An execution that no session knows: what a mapped object keeps track of costs time."""


def new_execution(app_state: AppState, values: Values) -> ExecutionMixin:
    """Return an execution with *values*, and the defaults of its other columns."""
    if not supports_cte_writes(app_state):
        return app_state.models.execution(**values)
    execution = _NewExecution.__new__(_NewExecution)
    vars(execution).update(_statements.current().blank)
    vars(execution).update(values)
    return execution


def insert_with_event(app_state: AppState, execution: ExecutionMixin, entry: NewEvent) -> None:
    """Insert a new execution and its first event with one statement, and commit.

    Nobody knows its id yet, so nobody listens to it.
    """
    statements = _statements.current()
    _write(app_state, statements.insert, _values(statements, execution, entry))


def insert_if_unchanged(app_state: AppState, execution: ExecutionMixin, entry: NewEvent) -> bool:
    """Do the same if its graph is still there, at this version, and its user has a turn.

    It is for users without limits.
    """
    statements = _statements.current()
    where = {
        **scheduler_parameters(app_state, execution.owner_id, execution.priority),
        _GRAPH.key: execution.graph_id,
        _NUMBER.key: execution.graph_version,
    }
    values = _values(statements, execution, entry) | where
    return _write(app_state, statements.place, values)


def _values(statements: _Statements, execution: ExecutionMixin, entry: NewEvent) -> Values:
    known = vars(execution)
    values = {parameter: known[name] for parameter, name in statements.parameters}
    event = {"event_type": entry.type, "event_data": entry.data, "event_created_at": entry.at}
    return {**values, **event, _SENT.key: execution.published_at is not None}


def _write(app_state: AppState, statement: ReturningInsert[t.Any], values: Values) -> bool:
    """Return whether the event, and so the execution, was inserted."""
    with app_state.database.autocommit_connection() as connection:
        return connection.execute(statement, values).one_or_none() is not None


def _names(models: Models) -> list[str]:
    """Return the columns that a new execution fills, but for ``published_at``."""
    return [column.key for column in table_of(models.execution).c if _is_filled(column)]


def _is_filled(column: sa.Column[t.Any]) -> bool:
    return not column.nullable or column.key in _FILLED


_FILLED: t.Final = {
    "thread_id",
    "timeout",
    "max_llm_calls",
    "max_tokens",
    "idempotency_key",
    "idempotency_digest",
    "request_id",
    "traceparent",
}
"""Columns that may be empty, but need not be so at the beginning."""


def _insert(
    models: Models, names: list[str], *conditions: sa.ColumnElement[bool]
) -> ReturningInsert[t.Any]:
    """Return the statement that inserts a row if the *conditions* hold."""
    table, event = table_of(models.execution), table_of(models.event)
    row = (
        sa.insert(table)
        .from_select(
            [*names, "published_at"],
            _new_row(table, names).where(cte_writes.lock_timeout_guard(), *conditions),
            include_defaults=False,
        )
        .returning(table.c.id)
        .cte("execution")
    )
    written = ("type", "data", "created_at")
    first = sa.select(
        row.c.id, sa.literal_column("1"), *(_value("event", event.c[name]) for name in written)
    )
    names = ["execution_id", "seq", *written]
    insert = sa.insert(event).from_select(names, first, include_defaults=False)
    return insert.returning(event.c.seq)


def _place(app_state: AppState, names: list[str]) -> ReturningInsert[t.Any]:
    look = _lookup_query(app_state).subquery("look")
    return _insert(
        app_state.models, names, look.c.latest_version == _NUMBER, may_publish_sql(look.c)
    )


def _new_row(table: sa.Table, names: list[str]) -> sa.Select[t.Any]:
    values = (_value("new", table.c[name]) for name in names)
    return sa.select(*values, sa.case((_SENT, database_clock.now())))


def _value(prefix: str, column: sa.Column[t.Any]) -> sa.ColumnElement[t.Any]:
    given = sa.bindparam(f"{prefix}_{column.key}", type_=column.type)
    # A cast to VARCHAR(n) would cut off what is too long, where an insert refuses it.
    return given if isinstance(column.type, sa.String) else sa.cast(given, column.type)


def _defaults(models: Models) -> Values:
    """Return what the columns of a new row hold if nobody says anything else."""
    return {column.key: _default(column) for column in table_of(models.execution).c}


def _default(column: sa.Column[t.Any]) -> object:
    default = column.default
    return default.arg if isinstance(default, sa.ColumnDefault) and default.is_scalar else None
