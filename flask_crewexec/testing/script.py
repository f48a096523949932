"""The rules and the journal of a scripted model, shared by all its connections."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace

from .calls import Call
from .calls import Outcome
from .requests import Json
from .rules import Rule


class Script:
    """The rules and the journal."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._uses: Counter[int] = Counter()
        self._calls: list[Call] = []
        self._changed = threading.Condition()

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls so far, in the order of arrival."""
        with self._changed:
            return tuple(self._calls)

    def add(self, rules: Sequence[Rule]) -> None:
        """Append rules."""
        with self._changed:
            self._rules.extend(rules)

    def take(self, body: Json) -> tuple[Call, Rule]:
        """Enter a call into the journal, and count one use of the rule that answers it."""
        with self._changed:
            call = Call(len(self._calls) + 1, body, time.monotonic())
            self._calls.append(call)
            self._changed.notify_all()
            return call, self._pick(body)

    def _pick(self, body: Json) -> Rule:
        for position, rule in enumerate(self._rules):
            left = rule.times is None or self._uses[position] < rule.times
            if left and rule.fits(body):
                self._uses[position] += 1
                return rule
        return Rule()

    def finish(self, call: Call, outcome: Outcome) -> None:
        """Record how a call ended."""
        with self._changed:
            self._calls[call.number - 1] = replace(call, outcome=outcome)
            self._changed.notify_all()

    def wait(self, wanted: Callable[[Call], bool], count: int, timeout: float) -> tuple[Call, ...]:
        """Return the wanted calls once there are *count*, or those there are at the timeout."""

        def found() -> tuple[Call, ...]:
            return tuple(filter(wanted, self._calls))

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count, timeout)
            return found()
