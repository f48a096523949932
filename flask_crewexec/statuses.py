"""The statuses of executions and steps, and the sets of them that the code asks for."""

from __future__ import annotations

import enum
import typing as t

import sqlalchemy as sa

PRIORITIES: t.Final = range(1, 11)
"""1 is the most urgent."""


class ExecutionStatus(enum.StrEnum):
    """Where an execution stands."""

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
"""States in which no worker holds the execution."""
TERMINAL = frozenset(
    {
        ExecutionStatus.COMPLETED,
        ExecutionStatus.FAILED,
        ExecutionStatus.CANCELLED,
        ExecutionStatus.TIMED_OUT,
    }
)
"""States that end an execution."""
ACTIVE = frozenset(ExecutionStatus) - TERMINAL
"""All others."""
RETRYABLE = TERMINAL - {ExecutionStatus.COMPLETED}
"""Final states from which a person may ask for another attempt."""


def has_status(row: t.Any, *states: ExecutionStatus) -> sa.ColumnElement[bool]:
    """Return the condition for rows in one of *states*, which become part of the SQL.

    A plan that PostgreSQL keeps could not use an index of one state if the state were a parameter,
    so it would plan each statement again, which takes longer than running it.

    :param row: an entity or the columns of a table.
    """
    constants = [sa.literal_column(f"'{state}'", sa.String) for state in sorted(states)]
    status: sa.ColumnElement[str] = row.status
    return status == constants[0] if len(constants) == 1 else status.in_(constants)


class StepStatus(enum.StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    """It has not started."""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """Its condition was not met."""


STEP_DONE: t.Final = (StepStatus.COMPLETED, StepStatus.SKIPPED)
"""Statuses of steps that no later attempt repeats."""
