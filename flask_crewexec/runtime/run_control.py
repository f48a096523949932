"""Stop a run at its next boundary: before a step, a model call or a tool call, or after a tool.

Whoever wants a run to stop gives a reason; once there is one, every boundary says so again.
"""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable

from .crewai_shims.public_api import InterceptionPoint
from .stop_reasons import StopRun
from .stop_reasons import StorageFailedStop

log = logging.getLogger(__name__)


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
