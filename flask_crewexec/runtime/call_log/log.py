"""The call log of one run: what is written of calls, and when."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import threading
import time
import typing as t
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

from ...models import Usage
from ...statuses import CallKind
from ...statuses import CallStatus
from ...statuses import NOT_MADE
from ...text import truncate
from .contents import Content
from .contents import ContentLimits
from .journal import StoredCall
from .scopes import Scope

MAX_NAME: t.Final = 200
"""Maximum length of a stored name; models may make up names of tools."""
_TOKENS: t.Final = ("prompt_tokens", "completion_tokens", "cost_nanos")
_NOTHING: t.Final = Content(None, 0, False)


class CallError(t.NamedTuple):
    """Why a call has failed, without anything that was said."""

    code: str
    status: int | None = None
    """HTTP status of the answer of a model's provider."""
    may_have_acted: bool = False
    """Whether a tool may have had its effect all the same."""

    def as_json(self) -> dict[str, t.Any]:
        """Return the error as it is stored."""
        kept = {"code": self.code}
        optional = {"status": self.status, "may_have_acted": self.may_have_acted or None}
        return kept | {name: value for name, value in optional.items() if value is not None}


@dataclasses.dataclass(eq=False)
class OpenCall:
    """A call that has begun, and what becomes of it."""

    number: int | None
    """None if no calls are recorded."""
    scope: Scope
    kind: CallKind
    name: str
    agent: str | None
    path: str
    request: Content
    digest: str | None = None
    status: CallStatus = CallStatus.STARTED
    answer: Content = _NOTHING
    error: CallError | None = None
    usage: Usage = dataclasses.field(default_factory=Usage)
    asked: object = None
    """All messages with which a model is asked."""
    raw: object = None
    """What a model has answered, whether it can be used or not."""
    entered: bool = False
    """Whether a tool was called, and not only announced."""
    began: float = dataclasses.field(default_factory=time.monotonic)

    @classmethod
    def of_earlier_attempt(cls, stored: StoredCall, scope: Scope, agent: str | None) -> t.Self:
        """Return a call that has ended before."""
        kind, status = CallKind(stored.kind), CallStatus(stored.status)
        return cls(
            stored.number, scope, kind, stored.name, agent, stored.path, _NOTHING, status=status
        )

    @classmethod
    def not_yet_made(cls, scope: Scope, name: str, agent: str | None, path: str) -> t.Self:
        """Return a tool call that a later attempt makes; it is not recorded."""
        failed = CallStatus.FAILED
        return cls(None, scope, CallKind.TOOL, name, agent, path, _NOTHING, status=failed)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return round(time.monotonic() - self.began, 3)

    @property
    def reference(self) -> dict[str, int]:
        """The number of the call, as events name it."""
        return {} if self.number is None else {"call": self.number}

    def unique_id(self, execution_id: uuid.UUID) -> str:
        """Return an id that is the same when the call is made again."""
        name = f"{self.scope.step}:{self.scope.generation}:{self.path}"
        return str(uuid.uuid5(execution_id, name))


current_call: ContextVar[OpenCall | None] = ContextVar("crewexec_call", default=None)
"""The model or tool call of the current context."""


@contextlib.contextmanager
def as_current(call: OpenCall) -> Iterator[None]:
    """Let *call* be the call of the current context."""
    token = current_call.set(call)
    try:
        yield
    finally:
        current_call.reset(token)


class CallWriter(t.Protocol):
    """Writes calls with its next write."""

    def now(self) -> dt.datetime:
        """Return the current time by the database's clock."""

    def add_call(self, number: int, call: dict[str, t.Any]) -> None:
        """Insert a call."""

    def end_call(self, number: int, end: dict[str, t.Any]) -> None:
        """Change the columns of the end of a call."""


class CallLog:
    """Passes the beginnings and ends of calls to the recorder of the run.

    :param limits: how much contents may be stored; None if no calls are recorded.
    :param last_number: number of the last call of earlier attempts.
    """

    def __init__(
        self,
        recorder: CallWriter,
        attempt: int,
        limits: ContentLimits | None = None,
        last_number: int = 0,
    ) -> None:
        self._recorder = recorder
        self._attempt = attempt
        self._limits = limits
        self._last_number = last_number
        self._open: dict[OpenCall, None] = {}
        self._not_restorable: set[int | None] = set()
        self._lock = threading.Lock()
        self.ended_by: int | None = None
        """Number of the call that has ended the run."""

    @property
    def is_on(self) -> bool:
        """Whether calls are recorded."""
        return self._limits is not None

    def begin(
        self,
        kind: CallKind,
        name: str,
        scope: Scope,
        request: object,
        *,
        agent: str | None = None,
        path: str | None = None,
        digest: str | None = None,
    ) -> OpenCall:
        """Note a call that begins; it is written with the next change."""
        given = scope.path if path is None else path
        call = OpenCall(None, scope, kind, truncate(name, MAX_NAME), agent, given, _NOTHING, digest)
        if self._limits is None:
            return call
        with self._lock:
            self._last_number += 1
            call.number = self._last_number
            call.request = self._store(call, request)
            self._open[call] = None
            self._recorder.add_call(call.number, self._start(call) | self._end(call))
        return call

    def end(
        self,
        call: OpenCall,
        answer: object = None,
        error: CallError | None = None,
        *,
        altered: bool = False,
        told_later: bool = False,
    ) -> None:
        """Note the end of a call; a second end replaces the first.

        :param told_later: whether the model is told the answer by a later attempt, so as it is
            stored.
        """
        call.status = CallStatus.DONE if error is None else CallStatus.FAILED
        call.error = error
        if call.number is None or self._limits is None:
            return
        with self._lock:
            call.answer = self._store(call, answer, altered=altered, told_later=told_later)
            self._open.pop(call, None)
            self._recorder.end_call(call.number, self._end(call))

    def _store(
        self, call: OpenCall, value: object, *, altered: bool = False, told_later: bool = False
    ) -> Content:
        """Return what is stored of a request or an answer."""
        assert self._limits is not None
        stored = self._limits.store(value)
        if told_later and not stored.cut:
            stored = stored._replace(altered=False)
        if stored.altered or stored.cut:
            self._not_restorable.add(call.scope.step)
        return stored._replace(altered=stored.altered or altered)

    def is_restorable(self, step: int | None) -> bool:
        """Return whether what was said in a step is stored as it was, so that it can continue.

        Objects of providers that cannot be restored do not count, since all answers of such a
        provider contain them.
        """
        return step not in self._not_restorable

    def replace_request(self, call: OpenCall, request: object) -> t.Any:
        """Return what is to be stored of a call that has begun, instead of its request."""
        with self._lock:
            call.request = self._store(call, request)
        return call.request.value

    def mark_unknown(self, stored: StoredCall) -> None:
        """Note that nobody knows how a tool call of an earlier attempt has ended."""
        if self._limits is None:
            return
        unchanged = {name: getattr(stored, name) for name in ("digest", "altered", "cut", "size")}
        usage = Usage()._asdict()
        tokens = {name: usage[name] for name in _TOKENS}
        end = {"status": CallStatus.UNKNOWN, "answer": None, "error": None, "finished_at": None}
        self._recorder.end_call(stored.number, {**unchanged, **tokens, **end})

    def close(self) -> None:
        """Note that announced tool calls were not made, because the run ends."""
        for call in tuple(self._open):
            if call.kind == CallKind.TOOL and not call.entered:
                self.end(call, error=CallError(NOT_MADE))

    def _start(self, call: OpenCall) -> dict[str, t.Any]:
        return {
            "attempt": self._attempt,
            "step": call.scope.step,
            "generation": call.scope.generation,
            "parent": call.scope.parent,
            "path": call.path,
            "kind": call.kind,
            "name": call.name,
            "agent": call.agent,
            "request": call.request.value,
            "started_at": self._recorder.now(),
        }

    def _end(self, call: OpenCall) -> dict[str, t.Any]:
        contents = (call.request, call.answer)
        return {
            "status": call.status,
            "digest": call.digest,
            "answer": call.answer.value,
            "error": call.error and call.error.as_json(),
            "altered": any(content.altered for content in contents),
            "cut": any(content.cut for content in contents),
            "size": sum(content.size for content in contents),
            **{name: getattr(call.usage, name) for name in _TOKENS},
            "finished_at": None if call.status == CallStatus.STARTED else self._recorder.now(),
        }
