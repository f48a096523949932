"""Table of executions."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7

from .. import clock
from ..statuses import ExecutionStatus
from ..statuses import WaitingFor
from .mixin import IndexSpec
from .mixin import Json
from .mixin import Mixin
from .mixin import UserId
from .mixin import UtcDateTime
from .usage import UsageColumns
from .webhook import MAX_EVENTS
from .webhook import MAX_URL


class Progress(t.NamedTuple):
    """How far an execution has got."""

    fraction: float
    finished_steps: int
    total_steps: int
    current_step: str | None
    current_agent: str | None
    elapsed_seconds: float | None
    """From the first start to the end, or to now, without the time it has waited for people."""
    waited_seconds: float
    """How long it has waited for people."""
    queue_position: int | None = None
    """From 1 while it is queued; None where it was not counted."""
    waiting_for: WaitingFor | None = None
    """What it waits for; None if it runs or has ended."""


_WAITING_FOR: t.Final[dict[str, WaitingFor]] = {
    ExecutionStatus.RETRYING: WaitingFor.RETRY,
    ExecutionStatus.WAITING_INPUT: WaitingFor.PEOPLE,
}


def _own_priority(context: DefaultExecutionContext) -> int:
    return t.cast(int, context.get_current_parameters()["priority"])  # type: ignore[no-untyped-call]


class ExecutionMixin(UsageColumns, Mixin):
    """One submission of a graph, with all its attempts."""

    __tablename__ = "crewexec_execution"
    # A run updates its row often. No index contains a column that changes during a run, such as
    # the lease, the counters or the current step, so PostgreSQL then updates no index (HOT).
    __indexes__: t.ClassVar = {
        "ix_crewexec_execution_owner": IndexSpec(("owner_id", "id")),
        "ix_crewexec_execution_owner_status": IndexSpec(("owner_id", "status", "id")),
        "ix_crewexec_execution_status": IndexSpec(("status", "id")),
        "ix_crewexec_execution_graph": IndexSpec(("graph_id", "id")),
        "ix_crewexec_execution_thread": IndexSpec(("thread_id", "id"), "thread_id IS NOT NULL"),
        "ix_crewexec_execution_fork": IndexSpec(("forked_from", "id"), "forked_from IS NOT NULL"),
        "ix_crewexec_execution_error": IndexSpec(("error_code", "id"), "error_code IS NOT NULL"),
        "ix_crewexec_execution_owner_error": IndexSpec(
            ("owner_id", "error_code", "id"), "error_code IS NOT NULL"
        ),
        "ix_crewexec_execution_finished": IndexSpec(("finished_at",), "finished_at IS NOT NULL"),
        "ix_crewexec_execution_due": IndexSpec(("available_at",), "status = 'retrying'"),
        "ix_crewexec_execution_queued": IndexSpec(
            ("on_hold", "urgency", "published_at"), "status = 'queued'"
        ),
        "ix_crewexec_execution_turn": IndexSpec(
            ("owner_id", "on_hold", "urgency", "queued_at"), "status = 'queued'"
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
    forked_from: Mapped[uuid.UUID | None]
    """Execution whose finished steps it has taken over; that one may have been removed since."""
    status: Mapped[str] = mapped_column(sa.String(16))
    priority: Mapped[int]
    """From 1, the most urgent, to 10, as it was submitted."""
    urgency: Mapped[int] = mapped_column(default=_own_priority, server_default=sa.text("5"))
    """The priority at which it waits: at first its own, more urgent the longer it has waited."""
    inputs: Mapped[Json] = mapped_column(sa.JSON)
    attempt: Mapped[int] = mapped_column(default=1)
    """Number of the current attempt; a message names the attempt that it is for."""
    retries: Mapped[int] = mapped_column(default=0)
    """How many automatic retries there were since a user last queued it."""
    lost_attempts: Mapped[int] = mapped_column(default=0)
    """How many attempts were lost with their worker since a user last queued it."""
    token: Mapped[uuid.UUID | None]
    """Fencing token of the current lease."""
    worker: Mapped[str | None] = mapped_column(sa.String(255))
    incarnation: Mapped[str | None] = mapped_column(sa.String(255))
    """Which start of which process holds or held the lease; None if that is unknown."""
    worker_id: Mapped[uuid.UUID | None]
    """The start of the worker to which that process belongs; None if it belongs to none."""
    lease_expires_at: Mapped[UtcDateTime | None]
    """When the lease expires unless it is renewed, by the database's clock."""
    writes: Mapped[int] = mapped_column(default=0)
    """How many writes were made under the lease, so that none is made twice."""
    published_at: Mapped[UtcDateTime | None]
    """When a message was last sent for a queued attempt; None if none is known."""
    on_hold: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether the fair scheduler holds a queued attempt, for which no message was sent."""
    available_at: Mapped[UtcDateTime | None]
    """When a retrying execution is due, by the database's clock."""
    timeout: Mapped[float | None]
    """Seconds that it may take from its first start."""
    deadline: Mapped[UtcDateTime | None]
    """When the timeout ends, by the database's clock."""
    seconds_left: Mapped[float | None]
    """Seconds that were left of the timeout when it began to wait for people."""
    waiting_since: Mapped[UtcDateTime | None]
    """When it began to wait for people; None if it does not."""
    waited_seconds: Mapped[float] = mapped_column(default=0.0, server_default="0")
    """Seconds that it had waited for people before that."""
    former_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Tokens that it had used before the day on which an answer of people last queued it."""
    max_llm_calls: Mapped[int | None]
    max_tool_calls: Mapped[int | None]
    max_tokens: Mapped[int | None]
    idempotency_key: Mapped[str | None] = mapped_column(sa.String(255))
    idempotency_digest: Mapped[str | None] = mapped_column(sa.String(64))
    """SHA-256 of the submission that came with the key."""
    request_id: Mapped[str | None] = mapped_column(sa.String(100))
    """``X-Request-ID`` of the request that last queued it."""
    traceparent: Mapped[str | None] = mapped_column(sa.String(55))
    """The trace in which it was last queued (W3C Trace Context)."""
    webhook_url: Mapped[str | None] = mapped_column(sa.String(MAX_URL))
    """URL that came with the submission, to be told its events."""
    webhook_events: Mapped[str | None] = mapped_column(sa.String(MAX_EVENTS))
    """Which events, as in the table of webhooks."""
    cancel_requested_at: Mapped[UtcDateTime | None]
    cancelled_by: Mapped[UserId | None]
    cancel_reason: Mapped[str | None] = mapped_column(sa.String(500))
    result: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    error: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    error_code: Mapped[str | None] = mapped_column(sa.String(64))
    """The code in ``error``, by which lists are filtered."""
    total_steps: Mapped[int] = mapped_column(default=0)
    finished_steps: Mapped[int] = mapped_column(default=0)
    current_step: Mapped[str | None] = mapped_column(sa.String(200))
    current_agent: Mapped[str | None] = mapped_column(sa.String(200))
    last_event: Mapped[int] = mapped_column(default=0)
    """Number of the latest event."""
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    queued_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    started_at: Mapped[UtcDateTime | None]
    finished_at: Mapped[UtcDateTime | None]

    if t.TYPE_CHECKING:  # they are no columns, so they are added when the class is mapped
        read_at: Mapped[dt.datetime | None]
        """When the row was read, by the database's clock; None if the query did not ask for it."""
        graph_name: Mapped[str | None]
        """The present name of its graph; None if the query did not ask for it."""
        queue_paused: Mapped[bool | None]
        """Whether the queue is paused; None if the query did not ask for it."""

    @property
    def progress(self) -> Progress:
        total = self.total_steps
        fraction = self.finished_steps / total if total else 0.0
        return Progress(
            fraction,
            self.finished_steps,
            total,
            self.current_step,
            self.current_agent,
            self._elapsed_seconds,
            self._seconds_for_people,
            waiting_for=self.waiting_for,
        )

    @property
    def waiting_for(self) -> WaitingFor | None:
        """What it waits for; None if it runs or has ended."""
        if self.status != ExecutionStatus.QUEUED:
            return _WAITING_FOR.get(self.status)
        if getattr(self, "queue_paused", None):  # rows that are not mapped may lack it
            return WaitingFor.PAUSED_QUEUE
        return WaitingFor.FREE_SLOT if self.on_hold else WaitingFor.WORKER

    @property
    def _elapsed_seconds(self) -> float | None:
        if self.started_at is None:
            return None
        return max(0.0, self._seconds_since(self.started_at) - self._seconds_for_people)

    @property
    def _seconds_for_people(self) -> float:
        now = 0.0 if self.waiting_since is None else self._seconds_since(self.waiting_since)
        return self.waited_seconds + now

    def _seconds_since(self, moment: dt.datetime) -> float:
        """Return the seconds from *moment* to the end, or until the row was read."""
        end = clock.as_utc(self.finished_at or self.read_at) or clock.now()
        return (end - clock.as_utc(moment)).total_seconds()

    @property
    def limits(self) -> t.Self:
        """The row itself, for the columns that are limits."""
        return self

    @property
    def cancellation(self) -> t.Self | None:
        """The row itself, for the ``cancel_`` columns; None if nobody asked to cancel it."""
        return None if self.cancel_requested_at is None else self
