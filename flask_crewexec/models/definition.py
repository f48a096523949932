"""Declare the models that the host did not declare itself, on the host's metadata."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import query_expression

from .call import CallMixin
from .counter import CounterMixin
from .delivery import DeliveryMixin
from .erased_usage import ErasedUsageMixin
from .event import EventMixin
from .execution import ExecutionMixin
from .graph import GraphMixin
from .graph import GraphVersionMixin
from .input_request import InputAssigneeMixin
from .input_request import InputRequestMixin
from .installation import InstallationMixin
from .mixin import Mixin
from .mixin import table_of
from .step import StepMixin
from .webhook import WebhookMixin
from .worker import WorkerMixin

M = t.TypeVar("M", bound=Mixin)


class Models(t.NamedTuple):
    """The mapped classes that one application uses."""

    graph: type[GraphMixin]
    graph_version: type[GraphVersionMixin]
    execution: type[ExecutionMixin]
    step: type[StepMixin]
    event: type[EventMixin]
    call: type[CallMixin]
    worker: type[WorkerMixin]
    counter: type[CounterMixin]
    installation: type[InstallationMixin]
    delivery: type[DeliveryMixin]
    webhook: type[WebhookMixin]
    input_request: type[InputRequestMixin]
    input_assignee: type[InputAssigneeMixin]
    erased_usage: type[ErasedUsageMixin]


def define_models(
    metadata: sa.MetaData,
    *,
    graph: type[GraphMixin] | None = None,
    execution: type[ExecutionMixin] | None = None,
) -> Models:
    """Return all models, and declare those that the host did not declare itself.

    A second call for the same metadata returns the models of the first one.

    :raises RuntimeError: if the second call passes other classes than the first.
    """
    models = metadata.info.get("crewexec")
    if models is None:
        models = metadata.info["crewexec"] = _declare_all(metadata, graph, execution)
    for given, used in ((graph, models.graph), (execution, models.execution)):
        if given is not None and given is not used:
            raise RuntimeError(
                f"The tables of 'CrewExec' are already declared on this metadata with"
                f" '{used.__qualname__}'. Pass '{given.__qualname__}' to the first 'CrewExec' that"
                " is created for this database."
            )
    return t.cast(Models, models)


def _declare_all(
    metadata: sa.MetaData,
    graph: type[GraphMixin] | None,
    execution: type[ExecutionMixin] | None,
) -> Models:
    base = type("CrewExecBase", (DeclarativeBase,), {"metadata": metadata})
    models = Models(
        graph or _declare("Graph", GraphMixin, base),
        _declare("GraphVersion", GraphVersionMixin, base),
        execution or _declare("Execution", ExecutionMixin, base),
        _declare("Step", StepMixin, base),
        _declare("Event", EventMixin, base),
        _declare("Call", CallMixin, base),
        _declare("Worker", WorkerMixin, base),
        _declare("Counter", CounterMixin, base),
        _declare("Installation", InstallationMixin, base),
        _declare("Delivery", DeliveryMixin, base),
        _declare("Webhook", WebhookMixin, base),
        _declare("InputRequest", InputRequestMixin, base),
        _declare("InputAssignee", InputAssigneeMixin, base),
        _declare("ErasedUsage", ErasedUsageMixin, base),
    )
    for model in models:
        _add_indexes(model, metadata)
    for name in ("read_at", "graph_name", "queue_paused"):
        sa.inspect(models.execution).add_property(name, query_expression())
    return models


def _declare(name: str, mixin: type[M], base: type) -> type[M]:
    return t.cast("type[M]", type(name, (mixin, base), {"__module__": mixin.__module__}))


def _add_indexes(model: type[Mixin], metadata: sa.MetaData) -> None:
    table = table_of(model)
    if table.metadata is not metadata or table.name not in _table_names():
        raise RuntimeError(
            f"'{model.__qualname__}' must keep the '__tablename__' of its mixin and use the"
            " metadata of the host's database, because other tables refer to it."
        )
    for name, index in model.__indexes__.items():
        columns = [table.c[column] for column in index.columns]
        where = None if index.where is None else sa.text(index.where)
        sa.Index(name, *columns, unique=index.unique, postgresql_where=where, sqlite_where=where)


def _table_names() -> set[str]:
    return {mixin.__tablename__ for mixin in Mixin.__subclasses__()}
