"""What usage is added up by: users, graphs, or models."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Mapping

import sqlalchemy as sa

from ..models import ExecutionMixin
from ..models import Models
from ..models import Usage
from ..statuses import CallKind
from ..statuses import ExecutionStatus
from ..statuses import UsageGroup
from . import database_clock

_FAILED: t.Final = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)

Keys = Mapping[str, sa.SQLColumnExpression[t.Any]]
"""Columns by which rows are grouped, by the names of their labels."""


def grouped_usage(models: Models, group: str) -> sa.Select[t.Any]:
    """Return a query of totals by the day (UTC) on which executions were queued, newest first.

    Its columns are ``day``, ``executions``, ``failed``, those of a :class:`Usage`, and the keys of
    the group. By model, the totals are those of the calls in the call log.
    """
    return _QUERIES[group](models)


def _by_user(models: Models) -> sa.Select[t.Any]:
    return _of_executions(models, {"user_id": models.execution.owner_id})


def _by_graph(models: Models) -> sa.Select[t.Any]:
    execution, graph = models.execution, models.graph
    keys: Keys = {"graph_id": execution.graph_id, "graph_name": graph.name}
    return _of_executions(models, keys).join(graph, graph.id == execution.graph_id)


def _of_executions(models: Models, keys: Keys) -> sa.Select[t.Any]:
    execution = models.execution
    counts = (sa.func.count(), count_failed(execution))
    sums = [sa.func.sum(getattr(execution, name)) for name in Usage._fields]
    return _grouped(models, keys, [*counts, *sums]).select_from(execution)


def count_failed(execution: type[ExecutionMixin]) -> sa.ColumnElement[int]:
    """Return the SQL for how many executions of a group have failed or timed out."""
    return sa.func.sum(sa.case((execution.status.in_(_FAILED), 1), else_=0))


def _by_model(models: Models) -> sa.Select[t.Any]:
    execution, call = models.execution, models.call
    failed = sa.case((execution.status.in_(_FAILED), execution.id))
    counts = (sa.func.count(execution.id.distinct()), sa.func.count(failed.distinct()))
    sums: dict[str, sa.SQLColumnExpression[t.Any]] = {
        "llm_calls": sa.func.count(),
        "tool_calls": sa.literal(0),
    }
    totals = [
        sums[name] if name in sums else sa.func.sum(getattr(call, name)) for name in Usage._fields
    ]
    query = _grouped(models, {"model": call.name}, [*counts, *totals])
    return query.join_from(call, execution).where(call.kind == CallKind.MODEL)


def _grouped(
    models: Models, keys: Keys, totals: list[sa.SQLColumnExpression[t.Any]]
) -> sa.Select[t.Any]:
    day = database_clock.utc_day(models.execution.created_at)
    names = ("executions", "failed", *Usage._fields)
    labelled: list[sa.Label[t.Any]] = [
        total.label(name) for name, total in zip(names, totals, strict=True)
    ]
    query = sa.select(
        day.label("day"), *labelled, *(column.label(name) for name, column in keys.items())
    )
    return query.group_by(day, *keys.values()).order_by(day.desc(), *keys.values())


_QUERIES: t.Final[Mapping[str, Callable[[Models], sa.Select[t.Any]]]] = {
    UsageGroup.USER: _by_user,
    UsageGroup.GRAPH: _by_graph,
    UsageGroup.MODEL: _by_model,
}
