"""What earlier attempts have stored of the calls of steps that have not completed."""

from __future__ import annotations

import threading
import typing as t
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Sequence

from ...statuses import CallKind
from ...statuses import CallStatus
from ...statuses import NOT_MADE
from .scopes import Conversation
from .scopes import Message
from .scopes import Scope

Key = tuple[int | None, str]
"""Position of a step and the path of a call in it."""


class StoredCall(t.NamedTuple):
    """A call of an earlier attempt."""

    number: int
    step: int | None
    path: str
    kind: str
    name: str
    status: str
    digest: str | None
    request: dict[str, t.Any] | None
    answer: dict[str, t.Any] | None
    error: dict[str, t.Any] | None
    altered: bool
    cut: bool
    size: int

    @property
    def key(self) -> Key:
        return self.step, self.path

    @property
    def may_have_acted(self) -> bool:
        """Whether a tool was called, or may have been."""
        made = self.error is None or self.error.get("code") != NOT_MADE
        return self.kind == CallKind.TOOL and made


class Journal:
    """Answers calls that earlier attempts have made.

    :param calls: those of unfinished steps, of the generation that continues, in their order.
    """

    def __init__(self, calls: Iterable[StoredCall] = ()) -> None:
        self._lock = threading.Lock()
        self._calls: dict[int | None, list[StoredCall]] = defaultdict(list)
        self._answers: dict[tuple[Key, str | None, str], list[StoredCall]] = {}
        self._tools: dict[Key, StoredCall] = {}
        self._openings: dict[Key, Sequence[Message]] = {}
        self._left: dict[Key, int] = defaultdict(int)
        self.answered = 0
        """How many calls were answered."""
        for call in calls:
            self._add(call)

    def _add(self, call: StoredCall) -> None:
        self._calls[call.step].append(call)
        if call.kind == CallKind.TOOL:
            self._tools[call.key] = call
            return
        if call.kind == CallKind.MODEL and call.request is not None:
            self._openings.setdefault(call.key, call.request["messages"])
        if call.status == CallStatus.DONE:
            self._answers.setdefault((call.key, call.digest, call.kind), []).append(call)
            self._left[call.key] += call.kind == CallKind.MODEL

    def calls_of(self, step: int | None) -> Sequence[StoredCall]:
        """Return the calls of a step, in their order."""
        return self._calls.get(step, ())

    def last_answer(self, step: int) -> dict[str, t.Any] | None:
        """Return the last answer of the agent of a step, not of its coworkers or judges."""
        answers = (
            call.answer
            for call in reversed(self._calls.get(step, ()))
            if call.kind == CallKind.MODEL and call.status == CallStatus.DONE
            if call.path.isdecimal()
        )
        return next(answers, None)

    def forget(self, step: int) -> None:
        """Answer no calls of a step any more, because it is restarted."""
        for call in self._calls.pop(step, ()):
            self._tools.pop(call.key, None)
            self._openings.pop(call.key, None)
            self._left.pop(call.key, None)
            self._answers.pop((call.key, call.digest, call.kind), None)

    def opening(self, conversation: Conversation) -> Sequence[Message] | None:
        """Return the messages with which a conversation began."""
        return self._openings.get((conversation.step, conversation.path))

    def answer(
        self, kind: CallKind, scope: Scope, digest: str, occurrence: int
    ) -> StoredCall | None:
        """Return the call that has answered a request.

        :param occurrence: how often the same request was made before in this scope.
        """
        key = (scope.step, scope.path)
        with self._lock:
            found = self._answers.get((key, digest, kind), [])
            if occurrence >= len(found):
                return None
            self.answered += 1
            self._left[key] -= kind == CallKind.MODEL
            return found[occurrence]

    def has_answers_left(self, conversation: Scope) -> bool:
        """Return whether requests of a conversation were answered that were not made again."""
        return self._left.get((conversation.step, conversation.path), 0) > 0

    def tool_call(self, scope: Scope, path: str) -> StoredCall | None:
        """Return the latest tool call at a *path*."""
        call = self._tools.get((scope.step, path))
        return call if call is not None and call.may_have_acted else None

    def note_answered(self) -> None:
        """Count a tool call that is not made again."""
        with self._lock:
            self.answered += 1
