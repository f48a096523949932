"""Statuses of executions and steps, and the sets of them that the code uses."""

from __future__ import annotations

import enum
import typing as t

import sqlalchemy as sa

PRIORITIES: t.Final = range(1, 11)
"""1 is the most urgent."""
DEFAULT_PRIORITY: t.Final = 5
"""Of a submission that names none."""


class ExecutionStatus(enum.StrEnum):
    """Status of an execution."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_INPUT = "waiting_input"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


UNCLAIMED = frozenset(
    {ExecutionStatus.QUEUED, ExecutionStatus.WAITING_INPUT, ExecutionStatus.RETRYING}
)
"""Statuses in which no worker holds a lease."""
QUEUEING = UNCLAIMED - {ExecutionStatus.WAITING_INPUT}
"""Statuses of executions that go on without anybody's help; they count for the queue quota."""
TERMINAL = frozenset(
    {
        ExecutionStatus.COMPLETED,
        ExecutionStatus.FAILED,
        ExecutionStatus.CANCELLED,
        ExecutionStatus.TIMED_OUT,
    }
)
"""Statuses of executions that have ended."""
ACTIVE = frozenset(ExecutionStatus) - TERMINAL
"""Statuses of executions that have not ended."""
RETRYABLE = TERMINAL - {ExecutionStatus.COMPLETED}
"""Terminal statuses from which a user may request another attempt."""


class WaitingFor(enum.StrEnum):
    """What an execution waits for."""

    WORKER = "worker"
    """A worker that takes its message."""
    FREE_SLOT = "free_slot"
    """A free slot of its user: it is on hold."""
    PAUSED_QUEUE = "paused_queue"
    """The end of a pause of the queue."""
    RETRY = "retry"
    """The time of its next attempt."""
    PEOPLE = "people"
    """Answers of people."""


class AfterDrain(enum.StrEnum):
    """What a worker does after it has finished what it runs, if it is to take nothing new."""

    IDLE = "idle"
    """It waits until it is resumed."""
    STOP = "stop"


class WorkerState(enum.StrEnum):
    """State of a worker."""

    RUNNING = "running"
    """It takes what waits."""
    DRAINING = "draining"
    """It is to take nothing new, and has not finished what it runs."""
    DRAINED = "drained"
    """It takes nothing new, and runs nothing."""
    SILENT = "silent"
    """Its last heartbeat is too long ago."""


class StepStatus(enum.StrEnum):
    """Status of a step."""

    PENDING = "pending"
    """It has not started."""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    """Its condition was not met."""


class StepOrigin(enum.StrEnum):
    """Where the output of a step comes from that a fork does not run."""

    REUSED = "reused"
    """From the execution that was forked."""
    EDITED = "edited"
    """From the request to fork it."""


class InputStatus(enum.StrEnum):
    """Status of an input request."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """It is not asked any more: the execution has ended, or the step was restarted."""


class InputKind(enum.StrEnum):
    """What an input request is about."""

    REVIEW = "review"
    """The answer of a step."""
    APPROVAL = "approval"
    """A tool call that must not be made without a person."""
    QUESTION = "question"
    """A question of an agent."""
    OUTCOME = "outcome"
    """A tool call that was interrupted, so that nobody knows whether it had its effect."""


class Decision(enum.StrEnum):
    """How a person decides about what they are asked."""

    APPROVE = "approve"
    CHANGE = "change"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"


NOT_MADE: t.Final = "not_made"
"""Code of tool calls that were planned, but not made because the run stopped."""


class CallKind(enum.StrEnum):
    """Kind of a call."""

    MODEL = "model"
    TOOL = "tool"
    CHECK = "check"
    """A guardrail has judged an answer."""


class CallStatus(enum.StrEnum):
    """Status of a call."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The worker was lost before the end of the call was stored; it may have had its effect."""


class UsageGroup(enum.StrEnum):
    """What usage is added up by, besides the day."""

    USER = "user"
    GRAPH = "graph"
    MODEL = "model"


STEP_DONE: t.Final = (StepStatus.COMPLETED, StepStatus.SKIPPED)
"""Statuses of steps that no later attempt repeats."""


def has_status(
    row: t.Any, *statuses: ExecutionStatus | StepStatus | InputStatus
) -> sa.ColumnElement[bool]:
    """Return the condition that a row has one of *statuses*, which become constants in the SQL.

    With a parameter instead, PostgreSQL could not use a partial index of one status in a plan that
    it keeps. It would plan each statement again, which takes longer than running it.

    :param row: an entity or the columns of a table.
    """
    constants = [sa.literal_column(f"'{status}'", sa.String) for status in sorted(statuses)]
    column: sa.ColumnElement[str] = row.status
    return column == constants[0] if len(constants) == 1 else column.in_(constants)
