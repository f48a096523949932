"""Rules, recordings and the journal of a scripted model, shared by all its connections."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace

from .calls import Call
from .calls import Outcome
from .recording import RecordedCall
from .replay import Replay
from .requests import Json
from .rules import Rule


class Script:
    """What is answered, and the journal."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._uses: Counter[int] = Counter()
        self._replays: list[Replay] = []
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

    def add_replay(self, replay: Replay) -> None:
        """Answer calls that no rule matches as in a recording."""
        with self._changed:
            self._replays.append(replay)

    @property
    def unused_answers(self) -> list[RecordedCall]:
        """The recorded answers that were not asked for."""
        return [call for replay in self._replays for call in replay.unused]

    def check_replays(self) -> None:
        """Check that all calls that no rule has matched were recorded.

        :raises UnrecordedCall: if one was not.
        """
        __tracebackhide__ = True
        for replay in self._replays:
            replay.check()

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
        return self._replayed(body) if self._replays else Rule()

    def _replayed(self, body: Json) -> Rule:
        """Return the answer of the first recording that has one; else the last one reports it."""
        *others, last = self._replays
        known = (replay for replay in others if replay.has_answer(body))
        return next(known, last).rule_for(body)

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
