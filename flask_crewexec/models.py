"""Tables for the host's database.

The mixins are the contract. The default models are declared on a private base that shares the
host's metadata, so it does not matter whether the host uses Flask-SQLAlchemy,
Flask-SQLAlchemy-Lite or plain SQLAlchemy, and its migrations see our tables as its own.

To add columns, subclass a mixin on your own base, keep its ``__tablename__``, and pass the class
to :class:`flask_crewexec.CrewExec`::

    class Execution(ExecutionMixin, db.Model):
        project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
"""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7

from . import clock

Json = dict[str, t.Any]
UtcDateTime = t.Annotated[dt.datetime, mapped_column(sa.DateTime(timezone=True))]
UserId = t.Annotated[str, mapped_column(sa.String(255))]


class IndexSpec(t.NamedTuple):
    """An index, made after the host's own columns are known."""

    columns: tuple[str, ...]
    where: str | None = None
    """Only rows for which this SQL holds, so that the index stays as small as they are few."""
    unique: bool = False


class _Mixin:
    __indexes__: t.ClassVar[dict[str, IndexSpec]] = {}

    if t.TYPE_CHECKING:
        # Mixins are not mapped; type checkers only need to know that models take keywords.
        __tablename__: str

        def __init__(self, **columns: t.Any) -> None: ...


class Usage(t.NamedTuple):
    """Model calls and tokens."""

    llm_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nanos: int = 0
    """Billionths of the currency in which the host has set prices."""

    @property
    def cost(self) -> float:
        return self.cost_nanos / 1e9

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def plus(self, other: Usage) -> Usage:
        """Return both together."""
        return Usage(*(mine + its for mine, its in zip(self, other, strict=True)))


class _UsageColumns:
    llm_calls: Mapped[int] = mapped_column(default=0)
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
    cost_nanos: Mapped[int] = mapped_column(sa.BigInteger, default=0)

    @property
    def usage(self) -> Usage:
        return Usage(self.llm_calls, self.prompt_tokens, self.completion_tokens, self.cost_nanos)


class Progress(t.NamedTuple):
    """How far an execution is."""

    fraction: float
    finished_steps: int
    total_steps: int
    current_step: str | None
    current_agent: str | None
    elapsed_seconds: float | None
    """Since the first start, to the end if there is one."""
    queue_position: int | None = None
    """From 1, while it is queued; None where nobody has counted."""


class GraphMixin(_Mixin):
    """A crew as a user drew it; its documents are in the versions."""

    __tablename__ = "crewexec_graph"
    __indexes__: t.ClassVar = {
        "ix_crewexec_graph_owner": IndexSpec(("owner_id", "id")),
        "ix_crewexec_graph_archived": IndexSpec(("owner_id", "id"), "deleted_at IS NOT NULL"),
    }

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    owner_id: Mapped[UserId]
    name: Mapped[str] = mapped_column(sa.String(200))
    latest_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    updated_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    deleted_at: Mapped[UtcDateTime | None]


class GraphVersionMixin(_Mixin):
    """One immutable document of a graph."""

    __tablename__ = "crewexec_graph_version"

    graph_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_graph.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[Json] = mapped_column(sa.JSON)
    digest: Mapped[str] = mapped_column(sa.String(64))
    author_id: Mapped[UserId]
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)


class ExecutionMixin(_UsageColumns, _Mixin):
    """One order to run a graph, through all its attempts."""

    __tablename__ = "crewexec_execution"
    # A run writes its row again and again. No index names a column that changes meanwhile, such as
    # the lease, the counters or the current step, so that PostgreSQL leaves all indexes alone then.
    __indexes__: t.ClassVar = {
        "ix_crewexec_execution_owner": IndexSpec(("owner_id", "id")),
        "ix_crewexec_execution_owner_status": IndexSpec(("owner_id", "status", "id")),
        "ix_crewexec_execution_status": IndexSpec(("status", "id")),
        "ix_crewexec_execution_graph": IndexSpec(("graph_id", "id")),
        "ix_crewexec_execution_thread": IndexSpec(("thread_id", "id"), "thread_id IS NOT NULL"),
        "ix_crewexec_execution_finished": IndexSpec(("finished_at",), "finished_at IS NOT NULL"),
        "ix_crewexec_execution_due": IndexSpec(("available_at",), "status = 'retrying'"),
        "ix_crewexec_execution_queued": IndexSpec(
            ("on_hold", "priority", "published_at"), "status = 'queued'"
        ),
        "ix_crewexec_execution_turn": IndexSpec(
            ("owner_id", "on_hold", "priority", "queued_at"), "status = 'queued'"
        ),
        "ix_crewexec_execution_again": IndexSpec(("owner_id", "queued_at"), "attempt > 1"),
        "ix_crewexec_execution_overdue": IndexSpec(
            ("deadline",), "deadline IS NOT NULL AND finished_at IS NULL AND status <> 'running'"
        ),
        "ux_crewexec_execution_idempotency": IndexSpec(
            ("owner_id", "idempotency_key"), "idempotency_key IS NOT NULL", unique=True
        ),
    }

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    owner_id: Mapped[UserId]
    thread_id: Mapped[str | None] = mapped_column(sa.String(255))
    graph_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("crewexec_graph.id"))
    graph_version: Mapped[int]
    status: Mapped[str] = mapped_column(sa.String(16))
    priority: Mapped[int]
    inputs: Mapped[Json] = mapped_column(sa.JSON)
    attempt: Mapped[int] = mapped_column(default=1)
    """Which attempt this is; a message names the one that it is for."""
    retries: Mapped[int] = mapped_column(default=0)
    """How many attempts were made by themselves since somebody last queued it."""
    lost_attempts: Mapped[int] = mapped_column(default=0)
    """How many attempts ended with their worker since somebody last queued it."""
    token: Mapped[uuid.UUID | None]
    """Fencing token of the claim that holds the execution."""
    worker: Mapped[str | None] = mapped_column(sa.String(255))
    lease_expires_at: Mapped[UtcDateTime | None]
    """Until when the claim holds unless it is renewed, by the database's clock."""
    writes: Mapped[int] = mapped_column(default=0)
    """How often the claim was used to write, so that no write is made twice."""
    published_at: Mapped[UtcDateTime | None]
    """When a message was last sent for a queued attempt; None if none is known to be."""
    on_hold: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether a queued attempt waits for its user's turn; no message was sent for it then."""
    available_at: Mapped[UtcDateTime | None]
    """When a retrying execution is due, by the database's clock."""
    timeout: Mapped[float | None]
    """Seconds that it may take from its first claim on."""
    deadline: Mapped[UtcDateTime | None]
    """When the timeout is over, by the database's clock."""
    max_llm_calls: Mapped[int | None]
    max_tokens: Mapped[int | None]
    idempotency_key: Mapped[str | None] = mapped_column(sa.String(255))
    idempotency_digest: Mapped[str | None] = mapped_column(sa.String(64))
    """SHA-256 of the order that came with the key."""
    request_id: Mapped[str | None] = mapped_column(sa.String(100))
    """``X-Request-ID`` of the request that queued it last."""
    traceparent: Mapped[str | None] = mapped_column(sa.String(55))
    """The trace that queueing it last was a part of (W3C Trace Context)."""
    cancel_requested_at: Mapped[UtcDateTime | None]
    cancelled_by: Mapped[UserId | None]
    cancel_reason: Mapped[str | None] = mapped_column(sa.String(500))
    result: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    error: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    total_steps: Mapped[int] = mapped_column(default=0)
    finished_steps: Mapped[int] = mapped_column(default=0)
    current_step: Mapped[str | None] = mapped_column(sa.String(200))
    current_agent: Mapped[str | None] = mapped_column(sa.String(200))
    last_event: Mapped[int] = mapped_column(default=0)
    """Number of the newest event."""
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    queued_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    started_at: Mapped[UtcDateTime | None]
    finished_at: Mapped[UtcDateTime | None]

    @property
    def progress(self) -> Progress:
        total = self.total_steps
        fraction = self.finished_steps / total if total else 0.0
        here = (self.current_step, self.current_agent)
        return Progress(fraction, self.finished_steps, total, *here, self._elapsed_seconds)

    @property
    def _elapsed_seconds(self) -> float | None:
        began = clock.as_utc(self.started_at)
        ended = clock.as_utc(self.finished_at) or clock.now()
        return None if began is None else max(0.0, (ended - began).total_seconds())

    @property
    def limits(self) -> t.Self:
        """The row itself, for the columns that limit it."""
        return self

    @property
    def cancellation(self) -> t.Self | None:
        """The row itself where somebody asked to cancel it, for the ``cancel_`` columns."""
        return None if self.cancel_requested_at is None else self


class StepMixin(_UsageColumns, _Mixin):
    """One task of the crew within one execution."""

    __tablename__ = "crewexec_step"

    execution_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_execution.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Place in the order of execution, from 0."""
    node_id: Mapped[str] = mapped_column(sa.String(100))
    name: Mapped[str] = mapped_column(sa.String(200))
    agent: Mapped[str | None] = mapped_column(sa.String(200))
    status: Mapped[str] = mapped_column(sa.String(16))
    output: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """What the task answered, as the engine needs it to continue behind this step."""
    started_at: Mapped[UtcDateTime | None]
    finished_at: Mapped[UtcDateTime | None]

    @property
    def text(self) -> str | None:
        """What the task answered, as its owner sees it."""
        return None if self.output is None else self.output["raw"]

    @property
    def json(self) -> Json | None:
        """The object that the task answered, if it has an ``output_schema``."""
        return None if self.output is None else self.output.get("json_dict")


class EventMixin(_Mixin):
    """One line of an execution's history."""

    __tablename__ = "crewexec_event"
    __table_args__: t.ClassVar = {"sqlite_with_rowid": False}  # one tree instead of two

    execution_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_execution.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Place in the history, from 1, without gaps."""
    type: Mapped[str] = mapped_column(sa.String(50))
    data: Mapped[Json] = mapped_column(sa.JSON)
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)


class WorkerMixin(_Mixin):
    """A worker process as it last said of itself."""

    __tablename__ = "crewexec_worker"

    name: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    pid: Mapped[int]
    queues: Mapped[list[str]] = mapped_column(sa.JSON)
    pool: Mapped[str] = mapped_column(sa.String(50))
    concurrency: Mapped[int]
    started_at: Mapped[UtcDateTime]
    seen_at: Mapped[UtcDateTime]


class CounterMixin(_Mixin):
    """Something that was counted; see :mod:`.tallies`."""

    __tablename__ = "crewexec_counter"
    __table_args__: t.ClassVar = {"sqlite_with_rowid": False}  # one tree instead of two

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(sa.String(50))
    label: Mapped[str] = mapped_column(sa.String(50))
    bound: Mapped[float | None]
    """Upper bound of a bucket; None for counters, and for the bucket without one."""
    times: Mapped[int] = mapped_column(sa.BigInteger)
    total: Mapped[float]
    """Sum of what was measured, in seconds."""


def table_of(model: type[t.Any]) -> sa.Table:
    """Return a model's table, for what is done so often that mapping would cost more than doing."""
    return t.cast(sa.Table, sa.inspect(model).local_table)


class Models(t.NamedTuple):
    """The mapped classes that one application uses."""

    graph: type[GraphMixin]
    graph_version: type[GraphVersionMixin]
    execution: type[ExecutionMixin]
    step: type[StepMixin]
    event: type[EventMixin]
    worker: type[WorkerMixin]
    counter: type[CounterMixin]


def define_models(
    metadata: sa.MetaData,
    *,
    graph: type[GraphMixin] | None = None,
    execution: type[ExecutionMixin] | None = None,
) -> Models:
    """Declare on the host's *metadata* the models that the host did not declare itself.

    A second call for the same metadata returns the first one's models.

    :raises RuntimeError: if the second call brings other classes than the first.
    """
    models = metadata.info.get("crewexec")
    if models is None:
        models = metadata.info["crewexec"] = _declare_all(metadata, graph, execution)
    for given, used in ((graph, models.graph), (execution, models.execution)):
        if given is not None and given is not used:
            raise RuntimeError(
                f"The tables of 'CrewExec' are already declared on this metadata with"
                f" '{used.__qualname__}'; pass '{given.__qualname__}' to the first 'CrewExec' that"
                " is made for this database."
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
        _declare("Worker", WorkerMixin, base),
        _declare("Counter", CounterMixin, base),
    )
    for model in models:
        _add_indexes(model, metadata)
    return models


M = t.TypeVar("M", bound=_Mixin)


def _declare(name: str, mixin: type[M], base: type) -> type[M]:
    return t.cast("type[M]", type(name, (mixin, base), {"__module__": __name__}))


def _add_indexes(model: type[_Mixin], metadata: sa.MetaData) -> None:
    table = table_of(model)
    if table.metadata is not metadata or table.name not in _table_names():
        raise RuntimeError(
            f"'{model.__qualname__}' must keep the '__tablename__' of its mixin and live on the"
            " same metadata as the rest: other tables refer to it."
        )
    for name, index in model.__indexes__.items():
        columns = [table.c[column] for column in index.columns]
        where = None if index.where is None else sa.text(index.where)
        sa.Index(name, *columns, unique=index.unique, postgresql_where=where, sqlite_where=where)


def _table_names() -> set[str]:
    return {mixin.__tablename__ for mixin in _Mixin.__subclasses__()}
