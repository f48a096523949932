"""What the tool calls of a run ask people, and what these have decided.

The gate of a tool says what is to be decided before a call is made. All calls of an answer are
settled before any of them is made, and their requests are written together. Those about which
nothing must be decided are made; then the branch stops, and other branches go on. When the
execution continues, the same calls find what was decided.
"""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..execution_context import ExecutionContext
from ..models import InputRequestMixin
from ..statuses import InputKind
from ..statuses import InputStatus
from ..storage import call_requests
from ..storage import input_requests
from ..storage.input_requests import NewRequest
from ..storage.new_event import NewEvent
from .call_log.journal import StoredCall
from .call_log.requests import NoteNotMade
from .call_log.requests import PlannedCall
from .call_log.requests import Settled
from .call_log.requests import ToolCall
from .call_log.run_calls import stop_branch
from .call_log.scopes import digest_of
from .call_log.scopes import Scope
from .stop_reasons import InputExpiredStop
from .stop_reasons import StopRun
from .stop_reasons import WaitForPersonStop
from .tool_errors import ToolFailed

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


class Gate(t.NamedTuple):
    """What is to be decided before calls of one tool are made."""

    validate: Callable[[Mapping[str, t.Any]], Json | None]
    """Returns the arguments with which the tool would be called; None if they are not valid."""
    settle: Callable[[AskingCall, Json], Settled]
    """Takes a call, with which it asks people, and valid arguments; returns how the call is made.

    When the execution continues, it is called again and must ask the same."""
    schema: Json | None = None
    """JSON Schema of the arguments that people may edit."""


class AskingCall:
    """A tool call about which people may be asked."""

    def __init__(self, requests: ToolRequests, scope: Scope, path: str, new: list[_New]) -> None:
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
        """
        asked = self._read(ask.kind)
        request = self._find(asked, ask, after, carries_over)
        if request is None:
            self._new.append(_New(self._scope, self.path, self._next_round(asked, after), ask))
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
        same = [each for each in asked if _is_about(each, ask.digest)]
        for each in same:
            if self._is_mine(each) and each.round > after:
                return each
        later = [each for each in same if each.round > after]
        return self._carried(later) if carries_over else None

    def was_asked(self, kind: InputKind, digest: str, *, after: int) -> bool:
        """Return whether somebody was asked about the same after a round."""
        return any(each.round > after and _is_about(each, digest) for each in self._read(kind))

    def carried_over(self, kind: InputKind, digest: str) -> bool:
        """Return whether the same was decided before the step was restarted, and still counts."""
        same = [each for each in self._read(kind) if _is_about(each, digest)]
        return self._carried(same) is not None

    def _carried(self, same: Sequence[InputRequestMixin]) -> InputRequestMixin | None:
        before = (each for each in same if each.decision is not None and not self._is_mine(each))
        decided = [each for each in before if not self._is_used(each)]
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


class _New(t.NamedTuple):
    scope: Scope
    path: str
    round: int
    ask: Ask


class _Request(t.NamedTuple):
    """A new request, with those whom it asks."""

    id: uuid.UUID
    row: NewRequest
    assignees: list[tuple[str, str]]
    expires_in: float | None


Assign = Callable[[NewRequest, Sequence[str], Sequence[str]], list[tuple[str, str]]]
"""Takes a request with the users and roles that it names; returns whom it asks."""


class ToolRequests:
    """Settles the tool calls of one run.

    :param steps: names of the steps.
    :param write: runs a function with the session of a write under the lease, and adds events.
    :param stop: lets the whole run stop at its next boundary.
    :param settle_interrupted: returns what the model is told of a call that was interrupted, and
        None if it is made again.
    """

    def __init__(
        self,
        app_state: AppState,
        execution: ExecutionContext,
        steps: Sequence[str],
        write: Callable[..., None],
        stop: Callable[[StopRun], None],
        settle_interrupted: Callable[[AskingCall, StoredCall], Settled | None],
    ) -> None:
        self._settle_interrupted = settle_interrupted
        self._app_state = app_state
        self._execution = execution
        self._steps = steps
        self._write = write
        self._stop = stop
        self.assign: Assign | None = None
        """Set before the crew runs."""
        self.gates: dict[str, Gate] = {}
        """By the names of the tools."""

    def settle(self, calls: Sequence[PlannedCall]) -> Mapping[str, Settled]:
        """Return how the calls of an answer are to be made, by their paths."""
        settled: dict[str, Settled] = {}
        new: list[_New] = []
        for call in calls:
            asking = AskingCall(self, call.scope, call.path, new)
            try:
                if found := self._settle(call, asking):
                    settled[call.path] = found
            except WaitForPersonStop as stop:
                settled[call.path] = Settled(waits=stop)
        self._request(new)
        return settled

    def _settle(self, call: PlannedCall, asking: AskingCall) -> Settled | None:
        """Return how a call is to be made; None if that is settled right before it is."""
        if call.interrupted is not None:
            settled = self._settle_interrupted(asking, call.interrupted)
            if settled is not None:
                return settled
        gate, request = self.gates.get(call.request.name), call.request
        if gate is None or request.is_written:
            return None
        arguments = gate.validate(request.arguments or {})
        return None if arguments is None else self._pass(gate, asking, arguments)

    def settle_made(
        self, name: str, tool: ToolCall, arguments: Json, note_not_made: NoteNotMade
    ) -> Settled:
        """Return how a call is to be made, right before it is.

        :param name: of the tool; the model may have written another.
        :param arguments: those with which the tool would be called. People are asked about them
            if they are not those that were settled.
        :param note_not_made: notes that the call was not made, if it must wait.
        :raises WaitForPersonStop: if somebody must decide first.
        """
        if tool.stopped is not None:  # CrewAI tries again
            raise tool.stopped
        if tool.settled is not None and tool.settled.digest in (None, digest_of(arguments)):
            return tool.settled
        gate = self.gates.get(name)
        if gate is None:
            return Settled()
        new: list[_New] = []
        asking = AskingCall(self, tool.open.scope, tool.open.path, new)
        try:
            return self._pass(gate, asking, arguments)
        except WaitForPersonStop as waits:
            note_not_made(tool)
            self._request(new)
            stop_branch(waits)

    def check_free(self, name: str) -> None:
        """Check that a tool may be called by others than the agents of the graph.

        :raises ToolFailed: if people must decide about its calls.
        """
        if name in self.gates:
            raise ToolFailed(f"Only an agent of the graph can call the tool '{name}'.")

    def _pass(self, gate: Gate, asking: AskingCall, arguments: Json) -> Settled:
        return gate.settle(asking, arguments)._replace(digest=digest_of(arguments))

    def stop_run(self, reason: StopRun) -> t.NoReturn:
        """Stop the whole run."""
        self._stop(reason)
        raise reason

    def _request(self, new: Sequence[_New]) -> None:
        """Insert the requests of an answer together."""
        if new:
            requests = [_Request(input_requests.new_id(), *self._assigned(each)) for each in new]
            self._write(
                lambda session: self._insert(session, requests), *map(self._event, requests)
            )

    def _assigned(self, new: _New) -> tuple[NewRequest, list[tuple[str, str]], float | None]:
        assert self.assign is not None, "it is set before the crew runs"
        row, ask = self._row(new), new.ask
        try:
            return row, self.assign(row, ask.users, ask.roles), ask.expires_in
        except StopRun as reason:
            self.stop_run(reason)

    def _insert(self, session: Session, requests: Sequence[_Request]) -> None:
        models, key = self._app_state.models, self._execution.id
        for id, row, assignees, expires_in in requests:
            input_requests.insert(
                session, models, key, row, id=id, expires_in=expires_in, assignees=assignees
            )

    def _row(self, new: _New) -> NewRequest:
        ask, step = new.ask, _position(new.scope)
        return NewRequest(
            owner_id=self._execution.user_id,
            kind=ask.kind,
            step=step,
            step_name=self._steps[step],
            generation=new.scope.generation,
            round=new.round,
            message=ask.message,
            problem=ask.problem,
            draft=None,
            schema=ask.schema,
            decisions=[*ask.decisions],
            on_expiry=ask.on_expiry,
            call=new.path,
            tool=ask.tool,
            arguments=ask.arguments,
            digest=ask.digest,
            default=ask.default,
            roles_only=ask.roles_only,
            four_eyes=ask.four_eyes,
            edited_by=ask.edited_by,
        )

    def _event(self, request: _Request) -> NewEvent:
        row = request.row
        return NewEvent(
            "input_requested",
            {
                "request": str(request.id),
                "kind": row.kind,
                "step": row.step_name,
                "round": row.round,
            },
        )

    def asked(self, scope: Scope, path: str, kind: InputKind) -> Sequence[InputRequestMixin]:
        """Return what a call has asked, in its order."""
        models, step = self._app_state.models, _position(scope)
        with self._app_state.database.read_session() as session:
            return call_requests.requests_of_call(
                session, models, self._execution.id, step, kind, path
            )

    def was_made(self, request: InputRequestMixin, before: int) -> bool:
        """Return whether the call that people were asked about was made, or may have been.

        :param before: the generation of the step up to which calls count, without its own.
        """
        with self._app_state.database.read_session() as session:
            return call_requests.was_made(session, self._app_state.models, request, before)

    def withdraw_unless(
        self, continues: Callable[[int], bool], asked: Iterable[InputRequestMixin]
    ) -> None:
        """Withdraw what the steps have *asked* that do not continue: they may ask otherwise."""
        models, id = self._app_state.models, self._execution.id
        steps = {each.step for each in asked if _is_open(each)}
        restarted = [each for each in steps if not continues(each)]
        if restarted:
            self._write(
                lambda session: call_requests.withdraw_of_steps(session, models, id, restarted)
            )


def _is_open(request: InputRequestMixin) -> bool:
    return request.status == InputStatus.OPEN and request.kind != InputKind.REVIEW


def _position(scope: Scope) -> int:
    assert scope.step is not None, "agents call tools only within steps"
    return scope.step
