"""A tool call about which people may be asked, and what was asked and decided about it."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ..models import InputRequestMixin
from ..statuses import InputKind
from ..statuses import InputStatus
from .call_log.scopes import Scope
from .stop_reasons import InputExpiredStop
from .stop_reasons import StopRun
from .stop_reasons import WaitForPersonStop

if t.TYPE_CHECKING:
    from .tool_requests import ToolRequests

Json = dict[str, t.Any]


class Ask(t.NamedTuple):
    """What people are asked about a tool call."""

    kind: InputKind
    digest: str
    """SHA-256 of what is asked about. What was decided counts only for the same digest."""
    decisions: Sequence[str]
    tool: str | None = None
    arguments: Json | None = None
    """As they are shown."""
    message: str | None = None
    problem: str | None = None
    schema: Json | None = None
    users: Sequence[str] = ()
    roles: Sequence[str] = ()
    """Without users and roles, the owner of the execution is asked."""
    roles_only: bool = False
    """Whether only users with these roles may answer."""
    four_eyes: bool = False
    edited_by: str | None = None
    """Who has written the arguments, in the round before."""
    expires_in: float | None = None
    on_expiry: str = "fail"
    default: Json | None = None


class Decided(t.NamedTuple):
    """What a person has decided about a tool call."""

    decision: str
    answer: Json
    """What they have written, by the names of the fields of the answer."""
    round: int
    by: str | None
    """Who has answered; None if the application has, or if nobody has in time."""


class NewAsk(t.NamedTuple):
    """What is to be asked about a call."""

    scope: Scope
    path: str
    round: int
    ask: Ask


class CannotWait(Exception):
    """A call cannot wait for a person, because its step could not continue there.

    The restarted step would repeat its calls, and might ask the same again and again.
    """


class AskingCall:
    """A tool call about which people may be asked."""

    def __init__(self, requests: ToolRequests, scope: Scope, path: str, new: list[NewAsk]) -> None:
        self._requests = requests
        self._scope = scope
        self.path = path
        self._new = new
        self._asked: dict[InputKind, Sequence[InputRequestMixin]] = {}

    def stop_run(self, reason: StopRun) -> t.NoReturn:
        """Stop the whole run."""
        self._requests.stop_run(reason)

    def first(self, kind: InputKind) -> InputRequestMixin | None:
        """Return what was asked first about the call, since its step began."""
        mine = (each for each in self._read(kind) if self._is_mine(each))
        return next((each for each in mine if not _is_withdrawn(each)), None)

    def ask(self, ask: Ask, *, after: int = 0, carries_over: bool = False) -> Decided:
        """Return what was decided.

        :param after: the round after which the same is asked once more.
        :param carries_over: whether a decision counts that was made before the step was restarted.
        :raises WaitForPersonStop: if nothing was decided yet; somebody is asked.
        :raises InputExpiredStop: if nobody has answered in time.
        :raises CannotWait: if nobody can be asked.
        """
        asked = self._read(ask.kind)
        request = self._find(asked, ask, after, carries_over)
        if request is None:
            if ask.kind != InputKind.OUTCOME and not self._requests.may_continue(self._scope):
                raise CannotWait
            self._new.append(NewAsk(self._scope, self.path, self._next_round(asked, after), ask))
        if request is None or request.status == InputStatus.OPEN:
            raise WaitForPersonStop("A tool call waits for a person.")
        if request.decision is None:
            self._requests.stop_run(
                InputExpiredStop(
                    f"Nobody has answered in time what the step '{request.step_name}' has asked."
                )
            )
        answer = request.answer or {}
        return Decided(request.decision, answer, request.round, request.answered_by)

    def _find(
        self, asked: Sequence[InputRequestMixin], ask: Ask, after: int, carries_over: bool
    ) -> InputRequestMixin | None:
        same = [each for each in asked if self._counts_for(each, ask) and each.round > after]
        mine = next((each for each in same if self._is_mine(each)), None)
        return self._carried(same, ask) if mine is None and carries_over else mine

    def _counts_for(self, request: InputRequestMixin, ask: Ask) -> bool:
        """Return whether a request is about the same, and has asked those who must be asked now."""
        if not _is_about(request, ask.digest):
            return False
        return request.status == InputStatus.OPEN or not self._was_laxer(request, ask)

    def _was_laxer(self, request: InputRequestMixin, ask: Ask) -> bool:
        """Return whether somebody may have answered a request who may not answer now."""
        if ask.four_eyes and not request.four_eyes:
            return True
        if not ask.roles_only:
            return False
        return not request.roles_only or not self._requests.roles_of(request) <= {*ask.roles}

    def was_asked(self, kind: InputKind, digest: str, *, after: int) -> bool:
        """Return whether somebody was asked about the same after a round."""
        return any(each.round > after and _is_about(each, digest) for each in self._read(kind))

    def carried_over(self, ask: Ask) -> bool:
        """Return whether the same was decided before the step was restarted, and still counts."""
        same = [each for each in self._read(ask.kind) if self._counts_for(each, ask)]
        return self._carried(same, ask) is not None

    def _carried(self, same: Sequence[InputRequestMixin], ask: Ask) -> InputRequestMixin | None:
        before = (each for each in same if each.decision is not None and not self._is_mine(each))
        # With another schema, the same arguments may mean something else.
        alike = (each for each in before if each.schema == ask.schema)
        decided = [each for each in alike if not self._is_used(each)]
        return decided[-1] if decided else None

    def _is_used(self, request: InputRequestMixin) -> bool:
        """Return whether a call was made by a decision that counts for one call only."""
        generation = self._scope.generation
        return request.kind == InputKind.APPROVAL and self._requests.was_made(request, generation)

    def _read(self, kind: InputKind) -> Sequence[InputRequestMixin]:
        if kind not in self._asked:
            self._asked[kind] = self._requests.asked(self._scope, self.path, kind)
        return self._asked[kind]

    def _next_round(self, asked: Sequence[InputRequestMixin], after: int) -> int:
        return 1 + max([after, *(each.round for each in asked if self._is_mine(each))])

    def _is_mine(self, request: InputRequestMixin) -> bool:
        return request.generation == self._scope.generation


def _is_about(request: InputRequestMixin, digest: str) -> bool:
    return request.digest == digest and not _is_withdrawn(request)


def _is_withdrawn(request: InputRequestMixin) -> bool:
    return request.status == InputStatus.WITHDRAWN
