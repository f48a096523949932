"""Why a run stops before its end."""

from __future__ import annotations

import typing as t

from ..errors import SecretMissing
from ..statuses import ExecutionStatus
from ..storage.failures import DEADLINE_EXCEEDED
from .crewai_shims.public_api import HookAborted


class StopRun(HookAborted):
    """The run must not go on; CrewAI hands this exception through, unlike any other."""

    state: t.ClassVar[ExecutionStatus | None] = None
    """The final state that follows from it alone, if one does."""
    code: t.ClassVar[str] = "run-stopped"
    finish_running_steps: t.ClassVar[bool] = False
    """Whether a step that runs beside the one that was stopped, and ends, counts as finished."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, source="flask_crewexec")


class RunCancelled(StopRun):
    """Somebody asked to cancel the execution."""

    state = ExecutionStatus.CANCELLED


class RunTimedOut(StopRun):
    """The execution has taken as long as it may."""

    state = ExecutionStatus.TIMED_OUT
    code = DEADLINE_EXCEEDED.code


class BudgetSpent(StopRun):
    """The execution has made as many calls, or used as many tokens, as it may."""

    state = ExecutionStatus.FAILED
    code = "budget-exhausted"
    finish_running_steps = True


class LeaseLostStop(StopRun):
    """The claim of this worker does not hold any more; nothing may be written."""


class DrainStop(StopRun):
    """The worker is about to end; another one goes on behind the finished steps."""

    finish_running_steps = True


class StorageFailedStop(StopRun):
    """What the run did could not be stored, so it must not do more."""

    code = "storage-unavailable"


class TruncatedAnswerStop(StopRun):
    """A model's answer ended before its end; CrewAI would take it for the whole."""

    code = "model-cut-off"


class MissingSecretStop(StopRun):
    """A tool needs a key that neither the user nor the host has."""

    state = ExecutionStatus.FAILED
    code = SecretMissing.code
