"""The tool calls of one conversation: made and recorded, or answered as an earlier attempt was."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from crewai.tools import BaseTool
from crewai.tools.tool_failure import ToolFailure
from crewai.tools.tool_failure import ToolFailureReason
from crewai.tools.tool_types import ToolResult
from crewai.utilities.agent_utils import DELEGATION_TOOL_NAMES

from ...text import truncate
from ..call_log.log import CallError
from ..call_log.log import MAX_NAME
from ..call_log.requests import ToolCall
from ..call_log.requests import ToolRequest
from ..call_log.run_calls import current_calls
from ..call_log.run_calls import current_tool
from ..call_log.run_calls import RunCalls
from ..call_log.run_calls import stop_branch
from ..call_log.scopes import within
from ..call_log.unrecorded import unrecorded_calls
from .tool_calls import CheckedCall
from .tool_calls import written_name

Result = dict[str, t.Any]


class ConversationCalls:
    """The tool calls of one piece of an agent's work.

    :param messages: those with which the conversation begins; replaced by those with which an
        earlier attempt has begun it.
    """

    def __init__(self, messages: list[t.Any], agent: t.Any) -> None:
        self._calls = current_calls.get() or unrecorded_calls()
        self._agent = truncate(agent.role, MAX_NAME)
        self._scope = self._calls.begin_conversation(messages)
        self._turn = 0
        self._pending: dict[int, ToolCall] = {}

    def conversation(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which calls are those of this conversation."""
        return within(self._scope)

    def announce(
        self,
        tool_calls: Sequence[object],
        checked: Sequence[CheckedCall],
        problems: Sequence[str | None],
        names: Sequence[str],
    ) -> None:
        """Write the starts of all calls of an answer.

        :param names: of the tools, as they are registered; models know some by another one.
        """
        requests = [_request(*each) for each in zip(checked, problems, names, strict=True)]
        calls = self._announce(requests)
        self._pending = {id(key): call for key, call in zip(tool_calls, calls, strict=True)}

    def _announce(self, requests: Sequence[ToolRequest]) -> list[ToolCall]:
        calls = self._calls.announce(self._scope, self._turn, requests, self._agent)
        self._turn += 1
        return calls

    def take(self, tool_call: object) -> LoggedToolCall:
        """Return an announced call."""
        return LoggedToolCall(self._calls, self._pending[id(tool_call)])

    def raise_if_stopped(self) -> None:
        """Raise why a call of the last answer waits, after all others were made."""
        for call in self._pending.values():
            if call.stopped is not None:
                stop_branch(call.stopped)

    def make_written_call(
        self, tools: Sequence[t.Any], action: t.Any, make: Callable[[], ToolResult]
    ) -> ToolResult:
        """Make the call that a model has written, or answer it as before.

        :param tools: of the agent, one of which the model means.
        """
        name = truncate(written_name(str(action.tool), tools), MAX_NAME)
        arguments = {"input": action.tool_input}
        delegates = name in DELEGATION_TOOL_NAMES
        request = ToolRequest(name, arguments, delegates=delegates, is_written=True)
        logged = LoggedToolCall(self._calls, self._announce([request])[0])
        if logged.stored is not None:
            return ToolResult(logged.stored.text, False)
        with logged.being_made():
            result = make()
        logged.raise_if_stopped()
        logged.end({"result": result.result, "tool_failure": None})
        return result


class LoggedToolCall:
    """One tool call."""

    def __init__(self, calls: RunCalls, tool: ToolCall) -> None:
        self._calls = calls
        self._tool = tool
        self.stored = None if tool.stored is None else tool
        self.problem = tool.request.told
        """Why the call cannot be made, in words for the model; empty if it can."""
        self.waits = tool.stopped is not None

    @contextlib.contextmanager
    def being_made(self) -> Iterator[None]:
        """Let its end be recorded, and let work that it delegates belong to it."""
        token = current_tool.set(self._tool)
        try:
            with within(self._tool.scope):
                yield
        finally:
            current_tool.reset(token)

    def raise_if_stopped(self) -> None:
        """Raise why the branch stops within the call, though CrewAI has told it as an error."""
        if self._tool.stopped is not None:
            stop_branch(self._tool.stopped)

    def end(self, result: Result) -> None:
        """Record what the model is told."""
        text = str(result["result"])
        if self._tool.has_ended:
            self._calls.correct_text(self._tool, text)
            return
        failure: ToolFailure | None = result["tool_failure"]
        error = None if failure is None else CallError(failure.reason.value)
        self._calls.end_tool(self._tool, text, error)

    def stored_result(self, call: CheckedCall, tool: object) -> Result:
        """Return the result of an earlier attempt, in CrewAI's form."""
        text = self._tool.text
        failure = None
        if self._tool.has_failed:
            failure = ToolFailure(message=text, reason=ToolFailureReason.EXCEPTION)
        return {
            "call_id": call.id,
            "func_name": call.name,
            "result": text,
            "tool_args": call.arguments,
            "from_cache": False,
            "original_tool": tool if isinstance(tool, BaseTool) else None,
            "tool_failure": failure,
        }


def _request(call: CheckedCall, problem: str | None, name: str) -> ToolRequest:
    error = None if problem is None else CallError("refused")
    delegates = call.name in DELEGATION_TOOL_NAMES
    return ToolRequest(truncate(name, MAX_NAME), call.arguments, error, problem or "", delegates)
