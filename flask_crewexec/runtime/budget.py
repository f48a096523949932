"""What an execution may still use: time, model calls, tokens."""

from __future__ import annotations

import threading
import time

from ..models import Usage
from ..storage.failures import DEADLINE_EXCEEDED
from .stop_reasons import BudgetSpent
from .stop_reasons import RunTimedOut
from .stop_reasons import StopRun


class Budget:
    """Limits of one execution, over all its attempts.

    :param used: what earlier attempts have used.
    :param seconds_left: until its deadline.
    """

    def __init__(
        self,
        *,
        used: Usage = Usage(),  # noqa: B008  # immutable
        seconds_left: float | None = None,
        max_llm_calls: int | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self._used = used
        self._lock = threading.Lock()
        # Monotonic: setting the clock must not end a run, nor let it go on.
        self._ends = None if seconds_left is None else time.monotonic() + seconds_left
        self._max_llm_calls = max_llm_calls
        self._max_tokens = max_tokens

    def add_usage(self, usage: Usage) -> None:
        """Count what was used."""
        with self._lock:
            self._used = self._used.plus(usage)

    def reserve_call(self) -> StopRun | None:
        """Count a model call that is about to be made, or say why there may be no further one."""
        with self._lock:
            reason = self._is_spent()
            if reason is None:
                self._used = self._used.plus(Usage(llm_calls=1))
            return reason

    def check_deadline(self) -> StopRun | None:
        """Say so if the time is over."""
        if self._ends is None or time.monotonic() < self._ends:
            return None
        return RunTimedOut(DEADLINE_EXCEEDED.message)

    def _is_spent(self) -> StopRun | None:
        calls, tokens = self._max_llm_calls, self._max_tokens
        if calls is not None and self._used.llm_calls >= calls:
            return BudgetSpent(f"All {calls} model calls that it may make are made.")
        if tokens is not None and self._used.total_tokens >= tokens:
            spent = self._used.total_tokens
            return BudgetSpent(f"It has used {spent} tokens of the {tokens} that it may use.")
        return None
