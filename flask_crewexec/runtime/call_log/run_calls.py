"""The calls of one run: each is answered from the journal, or is made and recorded."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from contextvars import ContextVar

from ...graphs import OnUnknown
from ...statuses import CallKind
from ...statuses import CallStatus
from ...statuses import NOT_MADE
from ..stop_reasons import DivergedStop
from ..stop_reasons import StopRun
from ..stop_reasons import UnknownToolOutcomeStop
from . import answers
from .journal import Journal
from .journal import StoredCall
from .log import CallError
from .log import CallLog
from .log import OpenCall
from .requests import Answer
from .requests import Gates
from .requests import History
from .requests import Json
from .requests import ModelRequest
from .requests import PlannedCall
from .requests import Settled
from .requests import StepState
from .requests import ToolCall
from .requests import ToolRequest
from .requests import Verdict
from .scopes import Conversation
from .scopes import current_scope
from .scopes import digest_of
from .scopes import digest_of_messages
from .scopes import enter_step
from .scopes import Message
from .scopes import Scope

_UNREADABLE: t.Final = {"raw_tool_call_parts"}
"""Parts of messages that are no JSON, and repeat what other parts say."""
_OUTCOME: t.Final = (
    "The run was interrupted while it called the tool '{}', which must not be called twice. Check"
    " what the call has done, then retry the execution."
)
_RESTART: t.Final = (
    "A step cannot continue where it was interrupted, and has called the tool '{}', which must not"
    " be called twice. Check what the call has done, then retry the execution to restart the step."
)


class RunCalls:
    """Answers the calls of a run from its journal, and records those that are made.

    :param steps: what is stored of unfinished steps, by their positions.
    :param gates: settle tool calls before they are made.
    :param on_unknown: what to do about interrupted calls, by the names of tools.
    :param settled: positions of steps whose agents have no work to do.
    """

    def __init__(
        self,
        log: CallLog,
        journal: Journal,
        steps: Mapping[int, StepState],
        history: History,
        gates: Gates,
        *,
        on_unknown: Mapping[str, OnUnknown],
        settled: Collection[int] = (),
    ) -> None:
        self.log = log
        self._journal = journal
        self._steps = steps
        self._generations: dict[int, int] = {}
        self._history = history
        self._gates = gates
        self._on_unknown = on_unknown
        self._settled = settled
        self.fingerprint: str | None = None
        """Digest of everything that must be the same for a step to continue."""

    def begin_step(self, position: int, name: str) -> Json:
        """Let the current context be within a step; return the columns of the step that change."""
        state = self._steps.get(position, StepState())
        generation = state.generation
        if calls := self._journal.calls_of(position):
            reason = None if position in self._settled else self._why_anew(calls, state)
            if reason is None:
                self._history.add_event("step_continued", step=name, calls=len(calls))
            else:
                self._history.add_event("step_restarted", step=name, reason=reason)
                generation += 1
                self._check_repeatable(position)
                self._journal.forget(position)
        self._generations[position] = generation
        enter_step(Scope(position, generation))
        # Calls that are not made again still belong to the crew that has made them.
        is_settled = position in self._settled
        fingerprint = state.fingerprint if is_settled else self.fingerprint
        return {"generation": generation, "fingerprint": fingerprint}

    def settled_finish_reason(self, position: int) -> str | None:
        """Return why the last answer of an agent ended, if it has no work left in its step."""
        if position not in self._settled:
            return None
        last = self._journal.last_answer(position)
        return None if last is None else t.cast("str | None", last.get("finish_reason"))

    def continues(self, position: int) -> bool:
        """Return whether a step that has not begun in this attempt will continue."""
        calls = self._journal.calls_of(position)
        return bool(calls) and self._why_anew(calls, self._steps[position]) is None

    def generation_of(self, position: int) -> int:
        """Return the generation of a step that has begun."""
        return self._generations.get(position, 0)

    def _why_anew(self, calls: Sequence[StoredCall], state: StepState) -> str | None:
        """Return why a step cannot continue from its calls, as the history names it."""
        if state.fingerprint != self.fingerprint:
            return "changed"
        if any(call.altered for call in calls):
            return "altered"
        return "cut" if any(call.cut for call in calls) else None

    def _check_repeatable(self, position: int | None) -> None:
        """Stop the run if a step that is restarted has called a tool that must not be repeated."""
        for call in self._journal.calls_of(position):
            if call.may_have_acted and self._on_unknown.get(call.name, "repeat") != "repeat":
                self.log.ended_by = call.number
                self._history.stop(UnknownToolOutcomeStop(_RESTART.format(call.name)))
                return

    def begin_conversation(self, messages: list[Message]) -> Conversation:
        """Begin a conversation; one that has begun before begins with the same messages."""
        conversation = current_scope().conversation()
        opening = self._journal.opening(conversation)
        if opening is not None:
            messages[:] = [dict(message) for message in opening]
        return conversation

    def model_request(self, messages: t.Any, tools: object, agent: str | None) -> ModelRequest:
        """Return a request to a model."""
        scope = current_scope()
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        if not self.log.is_on:
            return ModelRequest(scope, {}, "", agent)
        if isinstance(scope, Conversation):
            start, digest = scope.note(messages)
        else:
            start, digest = 0, digest_of_messages(messages)
        new = [
            {key: value for key, value in message.items() if key not in _UNREADABLE}
            for message in messages[start:]
        ]
        content = {"start": start, "messages": new}
        return ModelRequest(scope, content, digest_of(digest, bool(tools)), agent)

    def stored_answer(self, request: ModelRequest) -> Answer | None:
        """Return what has answered a request before.

        :raises DivergedStop: if the conversation goes on otherwise than it did.
        """
        scope = request.scope
        occurrence = scope.count(request.digest)
        found = self._journal.answer(CallKind.MODEL, scope, request.digest, occurrence)
        if found is not None and found.answer is not None:
            try:
                return _answer_of(found.answer, found.name)
            except answers.NotRestorable:
                self._diverge(scope)
        # A verdict that is stored spares the call of its judge, which is in no conversation.
        if isinstance(scope, Conversation) and self._journal.has_answers_left(scope):
            self._diverge(scope)
        return None

    def _diverge(self, scope: Scope) -> t.NoReturn:
        """End the attempt; the next one restarts the step."""
        assert scope.step is not None
        self._check_repeatable(scope.step)
        self._history.begin_step_anew(scope.step, scope.generation + 1)
        self._raise(DivergedStop("A step went on otherwise than before its interruption."))

    def begin_model_call(self, request: ModelRequest, model: str) -> OpenCall:
        """Note a model call that begins; it is written together with its event."""
        return self.log.begin(
            CallKind.MODEL,
            model,
            request.scope,
            request.content,
            agent=request.agent,
            digest=request.digest,
        )

    def end_model_call(self, call: OpenCall, answer: Answer) -> None:
        """Note an answer; it is written with the next change."""
        try:
            stored, altered = answers.encode(answer.value), False
            remembered = answers.encode(answer.remembered)
        except answers.NotStorable:
            stored, altered, remembered = str(answer.value), True, None
        content = {"value": stored, "finish_reason": answer.finish_reason}
        if remembered:
            content["remembered"] = remembered
        self.log.end(call, content, altered=altered)
        self.log.ended_by = None

    def fail_model_call(self, call: OpenCall, error: CallError) -> None:
        """Note a call without an answer that can be used."""
        answer = None if call.raw is None else {"value": str(call.raw), "finish_reason": None}
        self.log.end(call, answer, error)
        self.log.ended_by = call.number

    def announce(
        self, conversation: Scope, turn: object, wanted: Sequence[ToolRequest], agent: str | None
    ) -> list[ToolCall]:
        """Write the starts of all tool calls of an answer, together with the answer.

        :param turn: which of the answers of the conversation it is.
        :raises UnknownToolOutcomeStop: if one may have been made, and must not be repeated.
        """
        planned = [
            self._plan(conversation, f"{turn}.{index}", request)
            for index, request in enumerate(wanted)
        ]
        open = [each for each in planned if each.stored is None and each.request.problem is None]
        settled = self._gates.settle(open)
        calls: list[ToolCall] = []
        for each in planned:
            calls.append(self._tool_call(each, settled.get(each.path), agent, calls))
        if any(call.stored is None for call in calls):
            self._history.flush()
        return calls

    def _plan(self, conversation: Scope, name: str, request: ToolRequest) -> PlannedCall:
        path = conversation.below(name).path
        stored = self._journal.tool_call(conversation, path)
        if stored is None:
            return PlannedCall(conversation, path, request, None, None)
        if stored.name != request.name:
            self._diverge(conversation)
        if stored.status in (CallStatus.DONE, CallStatus.FAILED):
            self._journal.note_answered()
            return PlannedCall(conversation, path, request, stored, None)
        asks = not request.delegates and self._must_ask(stored)
        return PlannedCall(conversation, path, request, None, stored if asks else None)

    def _tool_call(
        self,
        planned: PlannedCall,
        settled: Settled | None,
        agent: str | None,
        siblings: list[ToolCall],
    ) -> ToolCall:
        conversation, path, request, stored, _ = planned
        if stored is not None:
            known = OpenCall.of_earlier_attempt(stored, conversation, agent)
            return ToolCall(request, known, stored, siblings, _text_of(stored))
        if settled is not None and settled.waits is not None:
            later = OpenCall.not_yet_made(conversation, request.name, agent, path)
            return ToolCall(request, later, None, siblings, stopped=settled.waits)
        content = request.content(settled and settled.arguments)
        digest = digest_of(request.name, request.arguments) if self.log.is_on else None
        call = self.log.begin(
            CallKind.TOOL,
            request.name,
            conversation,
            content,
            agent=agent,
            path=path,
            digest=digest,
        )
        data = self._tool_data(call)
        if request.problem is None:
            self._history.add_tool_event("tool_started", **data)
        else:
            self.log.end(call, {"text": request.told}, request.problem)
            reason = {"code": request.problem.code, "reason": request.told}
            self._history.add_tool_event("tool_failed", **data, **reason)
        return ToolCall(request, call, None, siblings, settled=settled)

    def _must_ask(self, stored: StoredCall) -> bool:
        """Return whether somebody must decide about a call whose outcome is unknown.

        :raises UnknownToolOutcomeStop: if it must not be repeated at all.
        """
        self.log.mark_unknown(stored)
        on_unknown = self._on_unknown.get(stored.name)
        # Once the run has failed because of it, a retry is somebody's decision to repeat it.
        if on_unknown == "fail" and stored.status == CallStatus.STARTED:
            self.log.ended_by = stored.number
            self._raise(UnknownToolOutcomeStop(_OUTCOME.format(stored.name)))
        return on_unknown == "ask"

    def note_not_made(self, tool: ToolCall) -> None:
        """Note that an announced tool call is not made in this attempt."""
        self.log.end(tool.open, error=CallError(NOT_MADE))

    def end_tool(
        self, tool: ToolCall, text: str, error: CallError | None = None, reason: str = ""
    ) -> None:
        """Note the end of a tool call.

        It is written at once if another call of the same answer goes on; otherwise with the next
        model call, which follows at once.

        :param text: what the model is told.
        :param reason: why it has failed, as the history tells it.
        """
        if error is not None and self._history.is_stopped:
            return  # it was aborted; nobody knows what it has done
        self._end_tool(tool, text, error)
        data = {**self._tool_data(tool.open), "seconds": tool.open.seconds}
        if error is None:
            self._history.add_tool_event("tool_finished", **data, output=text)
        else:
            self._history.add_tool_event(
                "tool_failed", **data, code=error.code, reason=reason or text
            )
        if not all(each.has_ended for each in tool.siblings):
            self._history.flush_soon()

    def correct_text(self, tool: ToolCall, text: str) -> None:
        """Note what the model is told, if that is not what the tool has returned."""
        if text != tool.text:
            self._end_tool(tool, text, tool.open.error)

    def _end_tool(self, tool: ToolCall, text: str, error: CallError | None) -> None:
        tool.text = text
        waits = any(each.stopped is not None for each in tool.siblings)
        self.log.end(tool.open, {"text": text}, error, told_later=waits)

    def check(self, name: str, answer: str, judge: Callable[[str], object]) -> Verdict:
        """Return the verdict of a guardrail.

        The answer is written before it is judged: it is paid for.
        """
        scope = current_scope()
        digest = digest_of(name, answer) if self.log.is_on else ""
        if self.log.is_on and (stored := self._stored_verdict(scope, digest)):
            return Verdict(stored["verdict"], is_new=False)
        self._history.flush()
        call = self.log.begin(CallKind.CHECK, name, scope, None, digest=digest)
        value = judge(answer)
        if isinstance(value, bool | str):
            self.log.end(call, {"verdict": value})
            self.log.ended_by = None if value is True else call.number
        return Verdict(value, True, call.reference)

    def _stored_verdict(self, scope: Scope, digest: str) -> Json | None:
        """Return what a guardrail has said of the same answer before."""
        found = self._journal.answer(CallKind.CHECK, scope, digest, scope.count(digest))
        return None if found is None else found.answer

    def _tool_data(self, call: OpenCall) -> Json:
        return {"tool": call.name, "agent": call.agent, **call.reference}

    def _raise(self, reason: StopRun) -> t.NoReturn:
        self._history.stop(reason)
        raise reason


def _answer_of(stored: Json, model: str) -> Answer:
    remembered = answers.decode(stored.get("remembered", {}))
    return Answer(answers.decode(stored["value"]), stored["finish_reason"], remembered, model)


def _text_of(stored: StoredCall) -> str:
    return "" if stored.answer is None else str(stored.answer["text"])


current_calls: ContextVar[RunCalls | None] = ContextVar("crewexec_calls", default=None)
"""The calls of the run of the current context."""
current_tool: ContextVar[ToolCall | None] = ContextVar("crewexec_tool", default=None)
"""The tool call that is made in the current context."""
current_call_id: ContextVar[str | None] = ContextVar("crewexec_call_id", default=None)
"""What ``current_execution.call_id`` returns."""


def stop_branch(reason: StopRun) -> t.NoReturn:
    """Let the work of the current context stop, and all that has delegated it.

    CrewAI turns exceptions in tools into text for the model, so the reason is kept with the call.
    """
    tool = current_tool.get()
    if tool is not None:
        tool.stopped = reason
    raise reason
