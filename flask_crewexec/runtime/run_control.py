"""Stop a run at its next boundary: before a step, a model call or a tool call, or after a tool.

Once there is a reason to stop, it is raised again at every boundary.
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
"""Returns the reason why the run may not go on, if there is one."""


class RunControl:
    """Checks of one run, as interception hooks.

    :param must_stop: checked at every boundary.
    :param may_call: checked before each model call as well.
    :param may_call_tool: checked before each tool call as well.
    :param should_drain: checked before each step as well.
    """

    def __init__(
        self, must_stop: Check, may_call: Check, may_call_tool: Check, should_drain: Check
    ) -> None:
        self._must_stop = must_stop
        self._may_call = may_call
        self._may_call_tool = may_call_tool
        self._should_drain = should_drain
        self.stopped: StopRun | None = None

    @property
    def hooks(self) -> dict[InterceptionPoint, list[Callable[[t.Any], None]]]:
        """The hooks to pass to ``scoped_hooks``."""
        return {
            InterceptionPoint.PRE_STEP: [self._before_step],
            InterceptionPoint.PRE_TOOL_CALL: [self._before_tool_call],
            InterceptionPoint.POST_TOOL_CALL: [self._after_tool_call],
        }

    def stop(self, reason: StopRun) -> None:
        """Stop the run at its next boundary; the first reason counts."""
        self.stopped = self.stopped or reason

    def raise_if_stopped(self) -> None:
        """Raise the reason to stop, if there is one."""
        if self.stopped is not None:
            raise self.stopped

    def before_call(self) -> None:
        """Raise the reason why there may be no further model call, if there is one."""
        self._check(self._must_stop, self._may_call)

    def check_allowed_call(self, check: Check) -> None:
        """Raise the reason that *check* returns, before a call that was allowed is sent.

        Other reasons to stop let it pass: it is counted, and its step may still complete.
        """
        if reason := self._reason_of(check):
            self.stop(reason)
            raise reason

    def _before_step(self, context: t.Any) -> None:
        is_task = context.kind == "task"  # and not a step of an agent's work
        self._check(self._must_stop, *([self._should_drain] if is_task else []))

    def _before_tool_call(self, context: object) -> None:
        self._check(self._must_stop, self._may_call_tool)

    def _after_tool_call(self, context: object) -> None:
        self._check(self._must_stop)

    def _check(self, *checks: Check) -> None:
        for check in checks:
            self.raise_if_stopped()
            if reason := self._reason_of(check):
                self.stop(reason)
        self.raise_if_stopped()

    def _reason_of(self, check: Check) -> StopRun | None:
        try:
            return check()
        except Exception:
            # CrewAI would swallow the error, and the lease may be lost.
            log.exception("Could not check whether a run may go on; the run stops.")
            return StorageFailedStop("The worker could not check whether the run may go on.")
