"""Agent executor that runs in the calling thread and registers no global listeners."""

from __future__ import annotations

import asyncio
import functools
import logging
import typing as t
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from crewai.agent.core import AgentExecutor  # type: ignore[attr-defined]  # it has moved
from crewai.hooks import HookAborted
from crewai.tools.tool_failure import ToolExecutionFailedError
from crewai.utilities.agent_utils import DELEGATION_TOOL_NAMES
from pydantic import PrivateAttr

from .agent_iterations import ask_for_final_answer
from .logged_tool_calls import ConversationCalls
from .tool_calls import check_tool_call
from .tool_calls import CheckedCall
from .tool_calls import MAX_CALLS
from .tool_calls import RepeatedCalls
from .tool_calls import too_many_calls
from .written_actions import made_by

log = logging.getLogger(__name__)


def _ignore_usage(source: object, event: object) -> None:
    """Replace a listener that would add up the usage of calls; it is never registered."""


class SingleThreadExecutor(AgentExecutor):
    """Does an agent's work in the calling thread.

    CrewAI's own executor starts further threads for each piece of work, and listens to the model
    calls of all crews in the process. The steps of the work and their order are the same.
    """

    _flow_definition = AgentExecutor.flow_definition()
    # If this is set, the executor neither registers a listener, which would receive the calls of
    # every crew, nor waits at the end until the listeners have handled all events of all runs.
    _usage_aggregation_handler: t.Any = PrivateAttr(default=_ignore_usage)
    _calls_of_answer: int = PrivateAttr(default=0)
    _refused_call: t.Any = PrivateAttr(default=None)
    _tool_calls: t.Any = PrivateAttr(default=None)
    _repeated: RepeatedCalls = PrivateAttr(default_factory=RepeatedCalls)

    def kickoff(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Do the work."""
        with (
            self._tool_calls.conversation(),
            asyncio.Runner(loop_factory=InlineExecutorLoop) as runner,
        ):
            return runner.run(self.kickoff_async(*args, **kwargs))

    def _setup_messages(self, inputs: dict[str, t.Any]) -> None:
        """Begin another piece of work."""
        self._repeated = RepeatedCalls()
        super()._setup_messages(inputs)
        self._tool_calls = ConversationCalls(self.state.messages, self.agent)

    def recover_from_context_length(self) -> t.NoReturn:
        """Raise the error of the model: CrewAI would raise ``SystemExit``."""
        assert self._last_context_error is not None
        raise self._last_context_error

    def ensure_force_final_answer(self) -> t.Literal["agent_finished"]:
        """Ask for the final answer after the last iteration, once."""
        if not self.state.is_finished:
            self.state.current_answer = ask_for_final_answer(
                self.llm, self.state.messages, self.callbacks
            )
            self.state.is_finished = True
        return "agent_finished"

    def execute_native_tool(self) -> t.Literal["native_tool_completed", "tool_result_is_final"]:
        """Make the tool calls of an answer; beyond the limit, one is refused for all others."""
        pending = self.state.pending_tool_calls
        self._calls_of_answer = len(pending)
        self._refused_call = pending[MAX_CALLS] if len(pending) > MAX_CALLS else None
        # The others are forgotten: each would be an event, and part of every further prompt.
        del pending[MAX_CALLS + 1 :]
        checked = [check_tool_call(tool_call) for tool_call in pending]
        problems = [self._find_problem(*both) for both in zip(checked, pending, strict=True)]
        names = [self._registered_name(call.name) for call in checked]
        self._tool_calls.announce(pending, checked, problems, names)
        outcome = super().execute_native_tool()
        self._tool_calls.raise_if_stopped()
        return outcome

    def _execute_single_native_tool_call(self, tool_call: t.Any) -> dict[str, t.Any]:
        """Call a tool; whatever is wrong with the call, the model is told."""
        call = check_tool_call(tool_call)
        logged = self._tool_calls.take(tool_call)
        result: dict[str, t.Any]
        if logged.waits:
            return call.failed_result("")  # nobody reads it: the branch stops
        if logged.stored is not None:
            result = logged.stored_result(call, self._tool_name_mapping.get(call.name))
        elif logged.problem:
            result = call.failed_result(logged.problem)
        else:
            with logged.being_made():
                result = self._make_call(call)
            logged.raise_if_stopped()
            logged.end(result)
        self._repeated.note(call, result["result"])
        return result

    def _make_call(self, call: CheckedCall) -> dict[str, t.Any]:
        try:
            made: dict[str, t.Any] = super()._execute_single_native_tool_call(call.as_tool_call())
            return made
        except (HookAborted, ToolExecutionFailedError):
            raise
        except Exception:
            log.warning("A call of tool '%s' has failed.", call.name, exc_info=True)
            return call.failed_result(f"The call of '{call.name}' has failed.")

    def _find_problem(self, call: CheckedCall, tool_call: object) -> str | None:
        if self._refused_call is not None and tool_call is self._refused_call:
            return too_many_calls(self._calls_of_answer)
        return call.find_problem(self._available_functions)

    def _registered_name(self, name: str) -> str:
        """Return the name of the tool that the model knows by *name*; CrewAI simplifies some."""
        tool = None if name in DELEGATION_TOOL_NAMES else self._tool_name_mapping.get(name)
        return name if tool is None else tool.name

    def execute_tool_action(self) -> t.Literal["tool_completed", "tool_result_is_final"]:
        """Make the tool call that a model without native tool calls has written."""
        with made_by(functools.partial(self._tool_calls.make_written_call, self.tools)):
            return super().execute_tool_action()

    def _create_initial_state(self) -> t.Any:
        """Return the state without building a class for it, which takes 4 ms."""
        return self._initial_state_t()  # type: ignore[attr-defined]

    def _find_triggered_methods(self, trigger_method: t.Any, router_only: bool) -> list[t.Any]:
        """Return the listeners of one method without visiting those of all methods."""
        listeners = _listeners_by_event()
        if listeners is None:
            return super()._find_triggered_methods(trigger_method, router_only)
        triggered: list[t.Any] = []
        for listener in listeners.get(str(trigger_method), ()):
            fires_once = listener.has_alternatives and not listener.is_router
            if listener.is_router == router_only and not (
                fires_once and listener.name in self._fired_or_listeners
            ):
                triggered.append(listener.name)
                if fires_once:
                    self._fired_or_listeners.add(listener.name)
        return triggered

    def _should_defer_trace_finalization(self) -> bool:
        """Emit no event at the end of the work, so that it does not wait for any listener."""
        return True


class _Listener(t.NamedTuple):
    name: t.Any
    is_router: bool
    has_alternatives: bool


@functools.cache
def _listeners_by_event() -> Mapping[str, Sequence[_Listener]] | None:
    """Return the listeners of each event of the executor; None if any waits for several events."""
    listeners = defaultdict(list)
    for name, method in AgentExecutor.flow_definition().methods.items():
        events = _events_of(method.listen)
        if events is None:
            return None
        for event in events:
            listeners[event].append(_Listener(name, bool(method.router), len(events) > 1))
    return listeners


def _events_of(condition: t.Any) -> Sequence[str] | None:
    """Return the events any of which meets the condition; None if it needs several."""
    if condition is None or isinstance(condition, str):
        return [] if condition is None else [condition]
    alternatives = condition.get("or", [None])
    return alternatives if all(isinstance(event, str) for event in alternatives) else None


class InlineExecutorLoop(asyncio.SelectorEventLoop):
    """Event loop that runs blocking functions itself, since its thread has no other work."""

    def run_in_executor(  # type: ignore[override]
        self, executor: t.Any, func: Callable[..., t.Any], *args: t.Any
    ) -> asyncio.Future[t.Any]:
        """Run *func* as if no loop was running: tools may start loops of their own."""
        done = self.create_future()
        asyncio._set_running_loop(None)
        try:
            done.set_result(func(*args))
        finally:
            asyncio._set_running_loop(self)
        return done
