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
from ..storage.call_log import store_request
from ..storage.input_requests import NewRequest
from ..storage.new_event import NewEvent
from .asking_call import AskingCall
from .asking_call import CannotWait
from .asking_call import NewAsk
from .call_log.journal import StoredCall
from .call_log.log import CallError
from .call_log.log import CallLog
from .call_log.requests import NoteNotMade
from .call_log.requests import PlannedCall
from .call_log.requests import Settled
from .call_log.requests import ToolCall
from .call_log.run_calls import stop_branch
from .call_log.scopes import digest_of
from .call_log.scopes import Scope
from .stop_reasons import StopRun
from .stop_reasons import WaitForPersonStop
from .tool_errors import ToolFailed

Json = dict[str, t.Any]

REFUSED: t.Final = CallError("refused")
_CANNOT_WAIT: t.Final = (
    "This call needs a person, but the task cannot wait for one: what it has written or read before"
    " contains a secret, or is too long to be stored as it is. Go on without the call."
)


class Gate(t.NamedTuple):
    """What is to be decided before calls of one tool are made."""

    validate: Callable[[Mapping[str, t.Any]], Json | None]
    """Returns the arguments with which the tool would be called; None if they are not valid."""
    settle: Callable[[AskingCall, Json], Settled]
    """Takes a call, with which it asks people, and valid arguments; returns how the call is made.

    When the execution continues, it is called again and must ask the same."""
    schema: Json | None = None
    """JSON Schema of the arguments that people may edit."""


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
    :param log: knows which steps cannot continue from what is stored.
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
        log: CallLog,
        settle_interrupted: Callable[[AskingCall, StoredCall], Settled | None],
    ) -> None:
        self._settle_interrupted = settle_interrupted
        self._log = log
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
        new: list[NewAsk] = []
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
        new: list[NewAsk] = []
        asking = AskingCall(self, tool.open.scope, tool.open.path, new)
        try:
            settled = self._pass(gate, asking, arguments)
        except WaitForPersonStop as waits:
            note_not_made(tool)
            self._request(new)
            stop_branch(waits)
        if settled.arguments is not None:
            self._store_edited(tool, settled.arguments)
        return settled

    def _store_edited(self, tool: ToolCall, arguments: Json) -> None:
        """Store with which arguments a call is made; its beginning is stored without them."""
        models, id, number = self._app_state.models, self._execution.id, tool.open.number
        if number is not None:
            request = self._log.replace_request(tool.open, tool.request.content(arguments))
            self._write(lambda session: store_request(session, models, id, number, request))

    def check_free(self, name: str) -> None:
        """Check that a tool may be called by others than the agents of the graph.

        :raises ToolFailed: if people must decide about its calls.
        """
        if name in self.gates:
            raise ToolFailed(f"Only an agent of the graph can call the tool '{name}'.")

    def _pass(self, gate: Gate, asking: AskingCall, arguments: Json) -> Settled:
        try:
            settled = gate.settle(asking, arguments)
        except CannotWait:
            settled = Settled(text=_CANNOT_WAIT, error=REFUSED)
        return settled._replace(digest=digest_of(arguments))

    def may_continue(self, scope: Scope) -> bool:
        """Return whether a step could continue here if the run waited for a person now."""
        return self._log.is_restorable(scope.step)

    def stop_run(self, reason: StopRun) -> t.NoReturn:
        """Stop the whole run."""
        self._stop(reason)
        raise reason

    def _request(self, new: Sequence[NewAsk]) -> None:
        """Insert the requests of an answer together."""
        if new:
            requests = [_Request(input_requests.new_id(), *self._assigned(each)) for each in new]
            self._write(
                lambda session: self._insert(session, requests), *map(self._event, requests)
            )

    def _assigned(self, new: NewAsk) -> tuple[NewRequest, list[tuple[str, str]], float | None]:
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

    def _row(self, new: NewAsk) -> NewRequest:
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

    def roles_of(self, request: InputRequestMixin) -> set[str]:
        """Return the roles that a request asks."""
        with self._app_state.database.read_session() as session:
            return call_requests.roles_of(session, self._app_state.models, request)

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
