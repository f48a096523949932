"""The budget of an execution: time, model calls, tool calls and tokens."""

from __future__ import annotations

import threading
import time

from ..models import Usage
from ..storage.failures import DEADLINE_EXCEEDED
from .stop_reasons import BudgetSpent
from .stop_reasons import RunTimedOut
from .stop_reasons import StopRun


class Budget:
    """The limits of one execution, over all its attempts.

    :param used: usage of earlier attempts.
    :param seconds_left: seconds until the deadline.
    """

    def __init__(
        self,
        *,
        used: Usage = Usage(),  # noqa: B008  # immutable
        seconds_left: float | None = None,
        max_llm_calls: int | None = None,
        max_tool_calls: int | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self._used = used
        self._lock = threading.Lock()
        # Monotonic: setting the clock must neither end a run nor prolong it.
        self._deadline = None if seconds_left is None else time.monotonic() + seconds_left
        self._max_llm_calls = max_llm_calls
        self._max_tool_calls = max_tool_calls
        self._max_tokens = max_tokens

    def add_usage(self, usage: Usage) -> None:
        """Add *usage* to that of the execution."""
        with self._lock:
            self._used = self._used.plus(usage)

    def reserve_call(self) -> StopRun | None:
        """Count a model call before it is made, or return why there may be no further one."""
        with self._lock:
            reason = self._check_limits()
            if reason is None:
                self._used = self._used.plus(Usage(llm_calls=1))
            return reason

    def reserve_tool_call(self) -> StopRun | None:
        """Count a tool call before it is made, or return why there may be no further one."""
        calls = self._max_tool_calls
        with self._lock:
            if calls is not None and self._used.tool_calls >= calls:
                return BudgetSpent(f"It has made {calls} tool calls, which is its limit.")
            self._used = self._used.plus(Usage(tool_calls=1))
        return None

    def check_deadline(self) -> StopRun | None:
        """Return a reason to stop once the deadline has passed."""
        if self._deadline is None or time.monotonic() < self._deadline:
            return None
        return RunTimedOut(DEADLINE_EXCEEDED.message)

    def _check_limits(self) -> StopRun | None:
        calls, tokens = self._max_llm_calls, self._max_tokens
        if calls is not None and self._used.llm_calls >= calls:
            return BudgetSpent(f"It has made {calls} model calls, which is its limit.")
        if tokens is not None and self._used.total_tokens >= tokens:
            used = self._used.total_tokens
            return BudgetSpent(f"It has used {used} tokens; its limit is {tokens}.")
        return None
