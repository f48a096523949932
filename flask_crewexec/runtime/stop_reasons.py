"""Reasons for which a run stops early."""

from __future__ import annotations

import typing as t

from ..errors import SecretMissing
from ..errors import UserMissing
from ..statuses import ExecutionStatus
from ..storage.failures import DEADLINE_EXCEEDED
from .crewai_shims.expected_stops import NotLogged
from .crewai_shims.public_api import HookAborted


class StopRun(HookAborted):
    """The run must not continue. CrewAI lets this exception pass, unlike any other."""

    status: t.ClassVar[ExecutionStatus | None] = None
    """The terminal status that follows from the reason alone, if one does."""
    code: t.ClassVar[str] = "run-stopped"
    finish_running_steps: t.ClassVar[bool] = False
    """Whether other steps that run in parallel may still complete."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, source="flask_crewexec")


class RunCancelled(StopRun):
    """Cancellation of the execution was requested."""

    status = ExecutionStatus.CANCELLED


class RunTimedOut(StopRun):
    """The deadline of the execution has passed."""

    status = ExecutionStatus.TIMED_OUT
    code = DEADLINE_EXCEEDED.code


class BudgetSpent(StopRun):
    """The execution has used all of its model calls, tool calls or tokens."""

    status = ExecutionStatus.FAILED
    code = "budget-exhausted"
    finish_running_steps = True


class LeaseLostStop(StopRun):
    """This worker has lost its lease; nothing may be written any more."""


class DrainStop(StopRun):
    """The worker is shutting down; another one resumes after the completed steps."""

    finish_running_steps = True


class DivergedStop(StopRun):
    """A step went on otherwise than before; the next attempt restarts it."""


class WaitForPersonStop(NotLogged, StopRun):
    """A step cannot go on without a person; other steps go on."""

    finish_running_steps = True


class RejectedStop(StopRun):
    """A person has rejected the answer of a step."""

    status = ExecutionStatus.FAILED
    code = "rejected-by-reviewer"


class AssignmentFailedStop(StopRun):
    """The host's function could not say who is asked; it may be able to later."""

    code = "assignment-failed"


class InputExpiredStop(NotLogged, StopRun):
    """Nobody has answered in time."""

    status = ExecutionStatus.FAILED
    code = "input-expired"


class ApprovalOutdatedStop(StopRun):
    """People were asked about a tool call that could only be made otherwise now."""

    status = ExecutionStatus.FAILED
    code = "approval-outdated"


class UnknownToolOutcomeStop(StopRun):
    """A tool that must not be called twice may have been called before."""

    status = ExecutionStatus.FAILED
    code = "tool-outcome-unknown"


class StorageFailedStop(StopRun):
    """The progress of the run could not be stored, so it must not continue."""

    code = "storage-unavailable"


class RefusedValueStop(StopRun):
    """The database refuses to store a value, so it would do so again."""

    status = ExecutionStatus.FAILED
    code = "storage-refused-value"


class OutdatedSchemaStop(StopRun):
    """The database lacks a table or a column, so nothing that needs it can be stored."""

    status = ExecutionStatus.FAILED
    code = "schema-outdated"


class MissingSecretStop(StopRun):
    """A tool needs a secret that neither the user nor the host has."""

    status = ExecutionStatus.FAILED
    code = SecretMissing.code


class MissingUserStop(StopRun):
    """A function of the host asked for a user who does not exist any more."""

    status = ExecutionStatus.FAILED
    code = UserMissing.code


MISSING: t.Final = (SecretMissing, UserMissing)
"""What a function of the host can lack; the run fails then."""


def missing_stop(error: SecretMissing | UserMissing) -> StopRun:
    """Return the reason to stop, where a function of the host lacks something."""
    if isinstance(error, SecretMissing):
        return MissingSecretStop(error.detail)
    return MissingUserStop(error.detail)
