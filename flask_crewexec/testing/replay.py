"""Answers model calls as they were answered in a recorded execution."""

from __future__ import annotations

import threading
import typing as t

from .comparable import lines_of
from .comparable import Normalize
from .comparable import Recorded
from .recording import RecordedCall
from .recording import Recording
from .requests import Json
from .rules import Rule

NOT_RECORDED: t.Final = Rule(
    status=400, code="not-recorded", reply="This call was not recorded; the test says what differs."
)
"""The answer to a call that was not recorded: an error that nobody retries."""


class UnrecordedCall(AssertionError):
    """A model was asked what it was not asked when the execution was recorded."""


class Replay:
    """The calls of a recording, each to be answered once, in any order.

    :param normalize: takes each text of a request and returns it without what differs each time.
    """

    def __init__(self, recording: Recording, normalize: Normalize | None = None) -> None:
        self.recording = recording
        self._normalize = normalize
        self._calls = [
            (call, Recorded(lines_of(call.messages, normalize))) for call in recording.model_calls
        ]
        self._used: set[int] = set()
        self._unrecorded: list[str] = []
        self._lock = threading.Lock()

    @property
    def unused(self) -> list[RecordedCall]:
        """The answers that were not asked for."""
        with self._lock:
            return [
                call for call, _ in self._calls if call.answer and call.number not in self._used
            ]

    def has_answer(self, body: Json) -> bool:
        """Return whether a request has an answer that was not used."""
        lines = lines_of(body["messages"], self._normalize)
        with self._lock:
            return self._next(self._same(lines)) is not None

    def _same(self, lines: list[str]) -> list[RecordedCall]:
        return [call for call, recorded in self._calls if recorded.matches(lines)]

    def rule_for(self, body: Json) -> Rule:
        """Return how a request is answered."""
        lines = lines_of(body["messages"], self._normalize)
        with self._lock:
            same = self._same(lines)
            found = self._next(same)
            if found is None:
                self._unrecorded.append(self._describe(lines, same))
                return NOT_RECORDED
            self._used.add(found.number)
        return _rule_of(found)

    def _next(self, same: list[RecordedCall]) -> RecordedCall | None:
        """Return the next of the calls with the same request; one that has failed comes last."""
        unused = (call for call in same if call.number not in self._used)
        return min(unused, key=lambda call: (call.answer is None, call.number), default=None)

    def check(self) -> None:
        """Check that all calls since the last check were recorded.

        :raises UnrecordedCall: if one was not; the message shows what differs.
        """
        __tracebackhide__ = True
        with self._lock:
            unrecorded, self._unrecorded = self._unrecorded, []
        if unrecorded:
            raise UnrecordedCall(unrecorded[0])

    def _describe(self, lines: list[str], same: list[RecordedCall]) -> str:
        if same:
            numbers = ", ".join(str(call.number) for call in same)
            return f"A model was asked more often than recorded the same as in call {numbers}."
        if not self._calls:
            return "\n".join(["A model was asked, but no call of a model is recorded:", *lines])
        call, recorded = max(self._calls, key=lambda each: self._nearness(each, lines))
        where = f"call {call.number} of step '{call.step}', agent '{call.agent}'"
        return (
            f"A model was asked what was not recorded. The most similar is {where}:\n"
            f"{recorded.difference(lines)}\n"
            "If the change is meant, record the execution again: 'flask crewexec record ID'."
        )

    def _nearness(self, each: tuple[RecordedCall, Recorded], lines: list[str]) -> t.Any:
        """Return what is greater for a more similar call; one that is not used comes first."""
        call, recorded = each
        return recorded.similarity(lines), call.number not in self._used, -call.number


def _rule_of(call: RecordedCall) -> Rule:
    if call.answer is None:
        return Rule(status=call.error_status or 500)
    calls = call.answer.get("tool_calls", ())
    return Rule(
        reply=call.answer.get("text"),
        tools=[(each["name"], each["arguments"]) for each in calls],
        finish_reason=call.answer["finish_reason"],
        usage=call.usage,
    )
