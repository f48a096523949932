"""Stop a run at its next boundary: before a step, a model call or a tool call, or after a tool.

Whoever wants a run to stop gives a reason; once there is one, every boundary says so again.
"""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable

from ..errors import SecretMissing
from ..storage.failures import DEADLINE_EXCEEDED
from ..storage.transitions import ExecutionStatus
from .crewai_shims.import_switches import HookAborted
from .crewai_shims.import_switches import InterceptionPoint

log = logging.getLogger(__name__)


class StopRun(HookAborted):
    """The run must not go on; CrewAI hands this exception through, unlike any other."""

    state: t.ClassVar[ExecutionStatus | None] = None
    """The final state that follows from it alone, if one does."""
    code: t.ClassVar[str] = "run-stopped"
    lets_steps_end: t.ClassVar[bool] = False
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
    lets_steps_end = True


class LeaseLostStop(StopRun):
    """The claim of this worker does not hold any more; nothing may be written."""


class DrainStop(StopRun):
    """The worker is about to end; another one goes on behind the finished steps."""

    lets_steps_end = True


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


Check = Callable[[], StopRun | None]
"""Returns why the run may not go on, if it may not."""


class RunControl:
    """Hooks of one run.

    :param must_stop: asked at every boundary.
    :param may_call: asked before each model call as well.
    :param is_unwanted: asked before each step as well.
    """

    def __init__(self, must_stop: Check, may_call: Check, is_unwanted: Check) -> None:
        self._must_stop = must_stop
        self._may_call = may_call
        self._is_unwanted = is_unwanted
        self.stopped: StopRun | None = None

    @property
    def hooks(self) -> dict[InterceptionPoint, list[Callable[[t.Any], None]]]:
        """The hooks for ``scoped_hooks``."""
        return {
            InterceptionPoint.PRE_STEP: [self._before_step],
            InterceptionPoint.PRE_MODEL_CALL: [self._before_model_call],
            InterceptionPoint.PRE_TOOL_CALL: [self._around_tool_call],
            InterceptionPoint.POST_TOOL_CALL: [self._around_tool_call],
        }

    def stop(self, reason: StopRun) -> None:
        """Stop the run at its next boundary; the first reason counts."""
        self.stopped = self.stopped or reason

    def raise_if_stopped(self) -> None:
        """Raise the reason for which the run stops, if there is one."""
        if self.stopped is not None:
            raise self.stopped

    def before_call(self) -> None:
        """Raise the reason for which there may be no further model call, if there is one."""
        self._ask(self._must_stop, self._may_call)

    def _before_step(self, context: t.Any) -> None:
        whole = context.kind == "task"  # and not a step within an agent's work
        self._ask(self._must_stop, *([self._is_unwanted] if whole else []))

    def _before_model_call(self, context: object) -> None:
        self.before_call()

    def _around_tool_call(self, context: object) -> None:
        self._ask(self._must_stop)

    def _ask(self, *checks: Check) -> None:
        for check in checks:
            self.raise_if_stopped()
            if reason := self._answer(check):
                self.stop(reason)
        self.raise_if_stopped()

    def _answer(self, check: Check) -> StopRun | None:
        try:
            return check()
        except Exception:
            # CrewAI would swallow it. What cannot be seen may have been taken away.
            log.exception("Could not see whether a run may go on, so it stops.")
            return StorageFailedStop("The worker could not see whether the run may go on.")
