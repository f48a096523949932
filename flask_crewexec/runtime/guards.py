"""Stop a run at its next boundary: before a step, before a model call, after a tool call."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable

from .crewai_setup import HookAborted
from .crewai_setup import InterceptionPoint

log = logging.getLogger(__name__)


class RunStopped(HookAborted):
    """The run must not go on; CrewAI hands this exception through, unlike any other."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, source="flask_crewexec")


class RunCancelled(RunStopped):
    """Somebody asked to cancel the execution."""


class RunTakenAway(RunStopped):
    """The claim of this worker does not hold any more; nothing may be written."""


class RunBroken(RunStopped):
    """The run cannot go on although CrewAI would: what it did could not be recorded."""


class Guards:
    """Hooks of one run. Once a run is to stop, every boundary says so again."""

    def __init__(self, must_stop: Callable[[], RunStopped | None]) -> None:
        self._must_stop = must_stop
        self.stopped: RunStopped | None = None

    @property
    def hooks(self) -> dict[InterceptionPoint, list[Callable[[t.Any], None]]]:
        """The hooks for ``scoped_hooks``."""
        points = (
            InterceptionPoint.PRE_STEP,
            InterceptionPoint.PRE_MODEL_CALL,
            InterceptionPoint.POST_TOOL_CALL,
        )
        return {point: [self._check] for point in points}

    def stop(self, reason: RunStopped) -> None:
        """Stop the run at its next boundary; the first reason counts."""
        self.stopped = self.stopped or reason

    def _check(self, context: object) -> None:
        try:
            self.stopped = self.stopped or self._must_stop()
        except Exception:
            # CrewAI would swallow it; a look at the database that fails must not end a paid run.
            log.warning("Could not see whether the run is to stop.", exc_info=True)
        self.raise_if_stopped()

    def raise_if_stopped(self) -> None:
        """Raise the reason for which the run stops, if there is one."""
        if self.stopped is not None:
            raise self.stopped
