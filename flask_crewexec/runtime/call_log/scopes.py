"""Where in a run a call is made, in terms that are the same when the step runs again.

The path of a call names conversations, answers and positions in these: ``0`` is the first
conversation of a step, ``0/2.1`` the second tool call of its third answer with tool calls, and
``0/2.1/0`` the conversation to which that call delegated work.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import typing as t
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from contextvars import ContextVar

from ...models.call import MAX_PATH

Message = dict[str, t.Any]

_NOT_COMPARED: t.Final = {"id", "tool_call_id", "index", "cache_breakpoint", "raw_tool_call_parts"}
"""Parts of messages that differ each time, or that say nothing."""


class Scope:
    """A step, a conversation in it, or the work that a tool call has delegated.

    :param step: position of the step; None outside of steps.
    :param generation: of the step.
    :param parent: number of the call that has delegated the work.
    """

    def __init__(
        self, step: int | None, generation: int, path: str = "", parent: int | None = None
    ) -> None:
        self.step = step
        self.generation = generation
        self.path = path if len(path) <= MAX_PATH else hashlib.sha256(path.encode()).hexdigest()
        self.parent = parent
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, key: str) -> int:
        """Return how often *key* was counted before."""
        with self._lock:
            self._counts[key] += 1
            return self._counts[key] - 1

    def below(self, name: object, parent: int | None = None) -> Scope:
        """Return a scope within this one.

        :param parent: number of the call that it belongs to, unless that is the one of this scope.
        """
        path = f"{self.path}/{name}" if self.path else str(name)
        return Scope(self.step, self.generation, path, self.parent if parent is None else parent)

    def conversation(self) -> Conversation:
        """Return the next conversation within this scope."""
        inner = self.below(self.count("conversations"))
        return Conversation(inner.step, inner.generation, inner.path, inner.parent)


class Conversation(Scope):
    """A scope whose requests share their messages."""

    def __init__(self, *arguments: t.Any) -> None:
        super().__init__(*arguments)
        self._known: list[Message] = []
        self._digests: list[str] = [""]

    def note(self, messages: Sequence[Message]) -> tuple[int, str]:
        """Note the messages of a request.

        :return: how many of them were part of the previous request, and the digest of all.
        """
        start = _common_start(self._known, messages)
        del self._digests[start + 1 :]
        for message in messages[start:]:
            self._digests.append(_digest(self._digests[-1], message))
        self._known = list(messages)
        return start, self._digests[-1]


def digest_of_messages(messages: Sequence[Message]) -> str:
    """Return the digest of the messages of a request that is not part of a conversation."""
    digest = ""
    for message in messages:
        digest = _digest(digest, message)
    return digest


def digest_of(*values: object) -> str:
    """Return the SHA-256 of values of JSON; others count by their texts."""
    return hashlib.sha256(_encode(values).encode()).hexdigest()


def _digest(before: str, message: Message) -> str:
    return digest_of(before, _comparable(message))


def _comparable(value: object) -> object:
    if isinstance(value, dict):
        items = t.cast("dict[str, object]", value).items()
        return {key: _comparable(each) for key, each in items if key not in _NOT_COMPARED}
    if isinstance(value, list):
        return [_comparable(each) for each in t.cast("list[object]", value)]
    return value


def _common_start(known: Sequence[Message], messages: Sequence[Message]) -> int:
    """Return how many messages at the start are the same objects."""
    count = 0
    for before, now in zip(known, messages, strict=False):
        if before is not now:
            break
        count += 1
    return count


_encode: t.Final = json.JSONEncoder(default=str, sort_keys=True).encode
_current: ContextVar[Scope | None] = ContextVar("crewexec_scope", default=None)
_OUTSIDE: t.Final = 0


def current_scope() -> Scope:
    """Return the scope of the current context; outside of steps, a new one."""
    return _current.get() or Scope(None, _OUTSIDE)


def enter_step(scope: Scope | None) -> None:
    """Let the current context, from now on, be within the step of *scope*."""
    _current.set(scope)


@contextlib.contextmanager
def within(scope: Scope | None) -> Iterator[None]:
    """Let calls be made within *scope*."""
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)
