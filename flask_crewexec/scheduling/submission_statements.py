"""Prepared SQL of a submission: one SELECT before it, and one INSERT that stores it.

Statements are built once per application. Each runs as its own transaction, so it takes one round
trip.
"""

from __future__ import annotations

import datetime as dt
import json
import typing as t
import uuid

import sqlalchemy as sa
from flask import Flask

from .. import clock
from .. import graphs
from ..app_state import AppState
from ..errors import NotFound
from ..models import ExecutionMixin
from ..models import Models
from ..models import table_of
from ..models import unmapped_execution
from ..per_app import AppLocal
from ..statuses import ExecutionStatus
from ..storage import cte_writes
from ..storage import database_clock
from ..storage.cte_writes import supports_cte_writes
from ..storage.driver_statement import DriverStatement
from ..storage.graph_cache import graph_cache
from ..storage.graph_cache import Version
from ..storage.new_event import NewEvent
from ..storage.outbox import wants_queued
from ..storage.ownership import owned_by
from .admission import admission_columns
from .admission import admission_parameters
from .admission import AdmissionState
from .fair_scheduler import may_publish_sql
from .fair_scheduler import may_release_sql
from .fair_scheduler import scheduler_parameters
from .running_count import remember_running

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


class _Inserts:
    """Only for applications that :func:`supports_cte_writes`."""

    def __init__(self, app: Flask) -> None:
        app_state = app.extensions["crewexec"]
        engine = app_state.database.engine
        self.defaults = _defaults(app_state.models)
        self.always = DriverStatement(_insert_statement(app_state.models), engine)
        self.if_unchanged = DriverStatement(_conditional_insert(app_state), engine)


_statements: t.Final = AppLocal(_Statements)
_inserts: t.Final = AppLocal(_Inserts)


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
        remember_running(row["running"], parameters)
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


def new_execution(app_state: AppState, values: Values) -> ExecutionMixin:
    """Return an execution with *values*, and the defaults of its other columns.

    It is mapped unless one statement can insert it with all that belongs to it.
    """
    if not supports_cte_writes(app_state) or wants_queued(app_state):
        return app_state.models.execution(**values)
    if forgotten := values.keys() - _INSERTED:
        raise RuntimeError(f"These columns would not be inserted: {', '.join(forgotten)}.")
    return unmapped_execution(_inserts.current().defaults, values)


def insert_with_event(app_state: AppState, execution: ExecutionMixin, event: NewEvent) -> None:
    """Insert a new execution and its first event with one statement, and commit.

    The times are set to that of the statement. No subscriber is notified, because nobody knows the
    id yet.
    """
    is_published = execution.published_at is not None
    values = {_IS_PUBLISHED.key: is_published}
    row = _insert(app_state, _inserts.current().always, execution, event, values)
    if row is not None:
        _set_times(execution, row, is_published)


class Inserted(t.NamedTuple):
    """What is to be done after an execution was inserted."""

    may_release: bool
    """Whether executions of the user that are on hold may be released."""


def insert_if_unchanged(
    app_state: AppState, execution: ExecutionMixin, event: NewEvent
) -> Inserted | None:
    """Do the same, unless the graph has changed, and put the execution on hold if it must wait.

    It does not check limits of users, so it is only for hosts without any.

    :return: None if the graph has changed.
    """
    scheduler = scheduler_parameters(execution.owner_id, execution.urgency)
    graph = {_GRAPH.key: execution.graph_id, _VERSION.key: execution.graph_version}
    statement = _inserts.current().if_unchanged
    row = _insert(app_state, statement, execution, event, {**scheduler, **graph})
    if row is None:
        return None
    remember_running(row.running, scheduler)
    execution.on_hold = row.on_hold
    _set_times(execution, row, is_published=not row.on_hold)
    return Inserted(row.may_release)


def _insert(
    app_state: AppState,
    statement: DriverStatement,
    execution: ExecutionMixin,
    event: NewEvent,
    values: Values,
) -> t.Any:
    """Return the row of results of a *statement*, or None if it has inserted nothing."""
    columns = vars(execution)
    parameters = {parameter: columns[name] for parameter, name in _PARAMETERS.items()}
    documents = {
        "new_inputs": json.dumps(execution.inputs),
        "event_data": json.dumps(event.data),
    }
    parameters.update(documents, event_type=event.type, **values)
    with app_state.database.autocommit_connection() as connection:
        return statement.one_or_none(connection, parameters)


def _set_times(execution: ExecutionMixin, row: t.Any, is_published: bool) -> None:
    """Set the times that the statement has given to a new row."""
    now = clock.as_utc(row.created_at)
    execution.created_at = execution.queued_at = now
    execution.published_at = now if is_published else None


_PARAMETERS: t.Final = {
    f"new_{name}": name
    for name in (
        "id",
        "owner_id",
        "thread_id",
        "graph_id",
        "graph_version",
        "priority",
        "urgency",
        "inputs",
        "on_hold",
        "total_steps",
        "timeout",
        "max_llm_calls",
        "max_tool_calls",
        "max_tokens",
        "idempotency_key",
        "idempotency_digest",
        "request_id",
        "traceparent",
    )
}
"""Columns that differ between new executions. The others have constants, which cost less."""
_CONSTANTS: t.Final = {"status": ExecutionStatus.QUEUED, "last_event": 1}
"""Constants that are not the defaults of their columns."""
_TIMES: t.Final = ("created_at", "queued_at", "published_at")
_INSERTED: t.Final = frozenset((*_PARAMETERS.values(), *_CONSTANTS, *_TIMES))


def _insert_statement(models: Models, lookup: sa.CTE | None = None) -> sa.Select[t.Any]:
    """Return the statement that inserts an execution and its first event.

    :param lookup: insert them only if the version of the graph is still the newest one, and put the
        execution on hold if the scheduler's columns demand that.
    """
    row = _insert_execution(table_of(models.execution), lookup)
    event = table_of(models.event)
    values = (_parameter("event", event.c.type), _parameter("event", event.c.data))
    first_event = sa.select(row.c.id, row.c.created_at, sa.literal_column("1"), *values)
    insert = sa.insert(event).from_select(
        ["execution_id", "created_at", "seq", "type", "data"], first_event, include_defaults=False
    )
    # Few columns, since SQLAlchemy reads the names and types of each result again.
    results = [row.c.created_at]
    if lookup is not None:
        decided = may_release_sql(lookup.c).label("may_release")
        results += [row.c.on_hold, lookup.c.running, decided]
    return sa.select(*results).add_cte(insert.cte("first_event"))


def _insert_execution(table: sa.Table, lookup: sa.CTE | None) -> sa.CTE:
    now = database_clock.now()
    values = {name: _parameter("new", table.c[name]) for name in _PARAMETERS.values()}
    values |= _constants(table) | {"created_at": now, "queued_at": now}
    conditions = [cte_writes.lock_timeout_guard()]
    is_published: sa.ColumnElement[bool] = _IS_PUBLISHED
    if lookup is not None:
        conditions.append(lookup.c.latest_version == _VERSION)
        is_published = may_publish_sql(lookup.c)
        values["on_hold"] = sa.not_(is_published)
    values["published_at"] = sa.case((is_published, now))
    select = sa.select(*values.values()).where(*conditions)
    insert = sa.insert(table).from_select([*values], select, include_defaults=False)
    return insert.returning(table.c.id, table.c.created_at, table.c.on_hold).cte("execution")


def _conditional_insert(app_state: AppState) -> sa.Select[t.Any]:
    return _insert_statement(app_state.models, _lookup_query(app_state).cte("lookup"))


def _parameter(prefix: str, column: sa.Column[t.Any]) -> sa.ColumnElement[t.Any]:
    is_document = isinstance(column.type, sa.JSON)
    type = sa.Text() if is_document else column.type
    parameter = sa.bindparam(f"{prefix}_{column.key}", type_=type)
    # A cast to VARCHAR(n) would truncate a value that is too long, which an INSERT rejects.
    return parameter if isinstance(column.type, sa.String) else sa.cast(parameter, column.type)


def _constants(table: sa.Table) -> dict[str, sa.ColumnElement[t.Any]]:
    """Return the SQL for the columns that are the same in all new executions, and not null."""
    values = {
        column.key: _default(column)
        for column in table.c
        if not column.nullable and column.key not in (*_PARAMETERS.values(), *_TIMES)
    }
    return {name: _as_constant(value) for name, value in (values | _CONSTANTS).items()}


def _as_constant(value: object) -> sa.ColumnElement[t.Any]:
    if isinstance(value, bool):
        return sa.true() if value else sa.false()
    return sa.literal_column(f"'{value}'" if isinstance(value, str) else str(value))


def _defaults(models: Models) -> Values:
    """Return the default values of the columns of an execution."""
    return {column.key: _default(column) for column in table_of(models.execution).c}


def _default(column: sa.Column[t.Any]) -> object:
    default = column.default
    return default.arg if isinstance(default, sa.ColumnDefault) and default.is_scalar else None
