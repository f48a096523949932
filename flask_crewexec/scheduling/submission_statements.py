"""Prepared SQL of a submission: one SELECT before it, and one INSERT that stores it.

Statements are built once per application. Each runs as its own transaction, so it takes one round
trip.
"""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.sql.dml import ReturningInsert

from .. import clock
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
from .admission import admission_columns
from .admission import admission_parameters
from .admission import AdmissionState
from .fair_scheduler import may_publish_sql
from .fair_scheduler import scheduler_parameters

Values = dict[str, t.Any]

_GRAPH: t.Final = sa.bindparam("of_graph", type_=sa.Uuid)
_VERSION: t.Final = sa.bindparam("of_version", type_=sa.Integer)
_OWNER: t.Final = sa.bindparam("for_user", type_=sa.String)
_IS_PUBLISHED: t.Final = sa.bindparam("is_published", type_=sa.Boolean)


class Lookup(t.NamedTuple):
    """What the database knows about a submission before it is stored."""

    version: Version
    graph: graphs.Graph
    admission: AdmissionState
    now: dt.datetime
    """By the database's clock."""


class _Statements:
    def __init__(self, app: Flask) -> None:
        app_state = app.extensions["crewexec"]
        models = app_state.models
        self.lookup = _lookup_query(app_state)
        self.document = sa.select(models.graph_version.document).where(
            models.graph_version.graph_id == _GRAPH, models.graph_version.number == _VERSION
        )
        names = _column_names(models)
        self.parameters = [(f"new_{name}", name) for name in names]
        self.insert = _insert_statement(models, names)
        self.insert_if_unchanged = _conditional_insert(app_state, names)
        self.defaults = _defaults(models)


_statements: t.Final = AppLocal(_Statements)


def look_up(app_state: AppState, owner_id: str, graph_id: uuid.UUID, priority: int) -> Lookup:
    """Return the latest version of the user's graph, and the user's quotas and free slots.

    :raises NotFound: if the user has no such graph.
    """
    statements = _statements.current()
    parameters = {**admission_parameters(owner_id, priority), _GRAPH.key: graph_id}
    with app_state.database.autocommit_connection() as connection:
        row = connection.execute(statements.lookup, parameters).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no graph '{graph_id}'.")
        version = Version(graph_id, row["latest_version"])
        graph = graph_cache.current().get(version)
        if graph is None:
            key = {_GRAPH.key: graph_id, _VERSION.key: version.number}
            document = connection.execute(statements.document, key).scalar_one()
    if graph is None:
        graph = graph_cache.current().parse_and_store(version, document)
    return Lookup(version, graph, AdmissionState.from_row(row), clock.as_utc(row["now"]))


def _lookup_query(app_state: AppState) -> sa.Select[t.Any]:
    graph = app_state.models.graph
    columns = (graph.latest_version, database_clock.now().label("now"))
    return sa.select(*columns, *admission_columns(app_state)).where(
        graph.id == _GRAPH, owned_by(graph, _OWNER), graph.deleted_at.is_(None)
    )


class _NewExecution(ExecutionMixin):
    """An execution that is not mapped: the attribute tracking of mapped objects is expensive."""


def new_execution(app_state: AppState, values: Values) -> ExecutionMixin:
    """Return an execution with *values*, and the defaults of its other columns."""
    if not supports_cte_writes(app_state):
        return app_state.models.execution(**values)
    execution = _NewExecution.__new__(_NewExecution)
    vars(execution).update(_statements.current().defaults)
    vars(execution).update(values)
    return execution


def insert_with_event(app_state: AppState, execution: ExecutionMixin, event: NewEvent) -> None:
    """Insert a new execution and its first event with one statement, and commit.

    The times are set to that of the statement. No subscriber is notified, because nobody knows the
    id yet.
    """
    statements = _statements.current()
    parameters = _insert_parameters(statements, execution, event)
    _run(app_state, statements.insert, execution, parameters)


def insert_if_unchanged(app_state: AppState, execution: ExecutionMixin, event: NewEvent) -> bool:
    """Do the same, unless the graph has changed or the execution would have to be held.

    It does not check limits of users, so it is only for hosts without any.
    """
    statements = _statements.current()
    conditions = {
        **scheduler_parameters(execution.owner_id, execution.priority),
        _GRAPH.key: execution.graph_id,
        _VERSION.key: execution.graph_version,
    }
    parameters = _insert_parameters(statements, execution, event) | conditions
    return _run(app_state, statements.insert_if_unchanged, execution, parameters)


def _insert_parameters(
    statements: _Statements, execution: ExecutionMixin, event: NewEvent
) -> Values:
    columns = vars(execution)
    return {
        **{parameter: columns[name] for parameter, name in statements.parameters},
        "event_type": event.type,
        "event_data": event.data,
        _IS_PUBLISHED.key: execution.published_at is not None,
    }


def _run(
    app_state: AppState,
    statement: ReturningInsert[t.Any],
    execution: ExecutionMixin,
    parameters: Values,
) -> bool:
    """Return whether the execution and its event were inserted, and set its times if so."""
    with app_state.database.autocommit_connection() as connection:
        created_at = connection.execute(statement, parameters).scalar_one_or_none()
    if created_at is None:
        return False
    now = clock.as_utc(created_at)
    execution.created_at = execution.queued_at = now
    execution.published_at = None if execution.published_at is None else now
    return True


def _column_names(models: Models) -> list[str]:
    """Return the columns that a new execution sets, except its times."""
    return [column.key for column in table_of(models.execution).c if _is_set(column)]


def _is_set(column: sa.Column[t.Any]) -> bool:
    if column.key in _TIMES:
        return False
    return not column.nullable or column.key in _NULLABLE_COLUMNS


_TIMES: t.Final = ("created_at", "queued_at", "published_at")


_NULLABLE_COLUMNS: t.Final = {
    "thread_id",
    "timeout",
    "max_llm_calls",
    "max_tool_calls",
    "max_tokens",
    "idempotency_key",
    "idempotency_digest",
    "request_id",
    "traceparent",
}
"""Nullable columns that a new execution may set."""


def _insert_statement(
    models: Models, names: list[str], *conditions: sa.ColumnElement[bool]
) -> ReturningInsert[t.Any]:
    """Return the statement that inserts an execution and its event if *conditions* are true."""
    table, event = table_of(models.execution), table_of(models.event)
    row = (
        sa.insert(table)
        .from_select(
            [*names, *_TIMES],
            _new_row(table, names).where(cte_writes.lock_timeout_guard(), *conditions),
            include_defaults=False,
        )
        .returning(table.c.id, table.c.created_at)
        .cte("execution")
    )
    event_names = ("type", "data")
    values = (_parameter("event", event.c[name]) for name in event_names)
    first_event = sa.select(row.c.id, row.c.created_at, sa.literal_column("1"), *values)
    insert = sa.insert(event).from_select(
        ["execution_id", "created_at", "seq", *event_names], first_event, include_defaults=False
    )
    return insert.returning(event.c.created_at)


def _conditional_insert(app_state: AppState, names: list[str]) -> ReturningInsert[t.Any]:
    lookup = _lookup_query(app_state).subquery("lookup")
    is_unchanged = lookup.c.latest_version == _VERSION
    return _insert_statement(app_state.models, names, is_unchanged, may_publish_sql(lookup.c))


def _new_row(table: sa.Table, names: list[str]) -> sa.Select[t.Any]:
    values = (_parameter("new", table.c[name]) for name in names)
    now = database_clock.now()
    return sa.select(*values, now, now, sa.case((_IS_PUBLISHED, now)))


def _parameter(prefix: str, column: sa.Column[t.Any]) -> sa.ColumnElement[t.Any]:
    parameter = sa.bindparam(f"{prefix}_{column.key}", type_=column.type)
    # A cast to VARCHAR(n) would truncate a value that is too long, which an INSERT rejects.
    return parameter if isinstance(column.type, sa.String) else sa.cast(parameter, column.type)


def _defaults(models: Models) -> Values:
    """Return the default values of the columns of an execution."""
    return {column.key: _default(column) for column in table_of(models.execution).c}


def _default(column: sa.Column[t.Any]) -> object:
    default = column.default
    return default.arg if isinstance(default, sa.ColumnDefault) and default.is_scalar else None
