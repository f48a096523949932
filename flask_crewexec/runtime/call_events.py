"""CrewAI's events about model and tool calls -> usage and history."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable
from contextvars import ContextVar

from ..config.pricing import cost_nanos
from ..config.settings import Settings
from ..models import Usage
from ..observability.redaction import Redactor
from ..text import storable
from ..text import truncate
from .budget import Budget
from .call_log.log import CallError
from .call_log.log import current_call
from .call_log.log import OpenCall
from .call_log.run_calls import current_tool
from .finish_reasons import note_finish_reason
from .model_failures import is_length_limit
from .openai_protocol.usage import read_usage
from .recorder import RunRecorder
from .recorder import Values
from .token_stream import TokenStream

MAX_ROLE: t.Final = 200
"""Maximum length of a stored role; inputs may make roles longer."""

current_step: ContextVar[int | None] = ContextVar("crewexec_step", default=None)
"""Position of the step that runs in the current context; several steps may run in parallel."""


class CallEvents:
    """The part of a run's event sink that is about calls.

    Each handler returns whether its change is written before the run goes on.

    :param step_name: returns the name of the step of the current context.
    """

    def __init__(
        self,
        settings: Settings,
        recorder: RunRecorder,
        budget: Budget,
        new_token_stream: Callable[[], TokenStream],
        redact: Redactor,
        *,
        step_name: Callable[[], str | None],
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        self._budget = budget
        self._new_token_stream = new_token_stream
        self._redact = redact
        self._step_name = step_name
        self._token_streams: dict[int | None, TokenStream] = {}
        self._call_starts: dict[str, float] = {}
        self._truncated: set[int | None] = set()

    def is_truncated(self, position: int) -> bool:
        """Return whether the latest answer in a step has reached its maximum length."""
        return position in self._truncated

    def add_tool_event(self, type: str, **data: object) -> None:
        """Add an event about a tool, with the name of the step, and its texts shortened."""
        texts = {name: self._shorten(str(data[name])) for name in _TEXTS if name in data}
        self._recorder.add_event(type, **(data | {"step": self._step_name()} | texts))

    def _call_started(self, event: t.Any) -> bool:
        self._call_starts[event.call_id] = time.monotonic()
        self._recorder.add_event(
            "model_call_started",
            model=event.model,
            agent=_agent_of(event),
            step=self._step_name(),
            **_reference(),
        )
        return True

    def _call_completed(self, event: t.Any) -> bool:
        usage = self._with_cost(event.model, usage_of(event.usage or {}))
        if call := current_call.get():
            call.usage = usage
        self._recorder.add_usage(current_step.get(), usage)
        self._budget.add_usage(usage)
        cost = {"cost": usage.cost} if event.model in self._settings.prices else {}
        self._end_call("model_call_completed", event, tokens=usage.total_tokens, **cost)
        note_finish_reason(event.finish_reason)
        if is_length_limit(event.finish_reason):
            model = {"model": event.model, "agent": _agent_of(event), "step": self._step_name()}
            self._recorder.add_event("answer_truncated", **model, **_reference())
        self.note_length(event.finish_reason, _agent_of(event))
        return False

    def note_length(self, finish_reason: str | None, agent: str | None) -> None:
        """Note whether the latest answer of a step's agent has reached its maximum length."""
        position = current_step.get()
        if is_length_limit(finish_reason):
            self._truncated.add(position)
        elif agent is not None:  # not the judge of an answer
            self._truncated.discard(position)

    def _call_failed(self, event: t.Any) -> bool:
        # CrewAI reports some failures twice. Those of the graph's models are reported with their
        # codes, by the chain.
        if current_call.get() is None and event.call_id in self._call_starts:
            self._end_call("model_call_failed", event)
        return False

    def model_call_failed(self, call: OpenCall, error: CallError) -> None:
        """Add the event of a call that has failed, with its reason."""
        self._flush_tokens(call.agent)
        data = {"model": call.name, "agent": call.agent, "step": self._step_name()}
        status = {} if error.status is None else {"status": error.status}
        reason = {"seconds": call.seconds, "code": error.code, **status, **call.reference}
        self._recorder.add_event("model_call_failed", **data, **reason)

    def _on_token(self, event: t.Any) -> bool:
        stream = self._token_streams.setdefault(current_step.get(), self._new_token_stream())
        stream.feed(event.chunk, step=self._step_name(), agent=_agent_of(event))
        return False

    def _flush_tokens(self, agent: str | None) -> None:
        if stream := self._token_streams.get(current_step.get()):
            stream.flush(step=self._step_name(), agent=agent)

    def _with_cost(self, model: str, usage: Usage) -> Usage:
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        return usage._replace(cost_nanos=cost_nanos(self._settings.prices, model, *tokens))

    def _end_call(self, type: str, event: t.Any, **data: object) -> None:
        self._flush_tokens(_agent_of(event))
        started_at = self._call_starts.pop(event.call_id, None)
        seconds = None if started_at is None else round(time.monotonic() - started_at, 3)
        common = {
            "model": event.model,
            "agent": _agent_of(event),
            "step": self._step_name(),
            "seconds": seconds,
        }
        self._recorder.add_event(type, **common, **data, **_reference())

    def _tool_started(self, event: t.Any) -> bool:
        if current_tool.get() is not None:  # its events are added where its end is written
            return False
        self._recorder.add_event("tool_started", **self._tool_data(event))
        return True

    def _tool_finished(self, event: t.Any) -> bool:
        if current_tool.get() is None:
            output = self._shorten(str(event.output))
            self._recorder.add_event("tool_finished", **self._tool_data(event), output=output)
        return False

    def _tool_failed(self, event: t.Any) -> bool:
        if current_tool.get() is None:
            reason = self._shorten(str(event.error))
            self._recorder.add_event("tool_failed", **self._tool_data(event), reason=reason)
        return False

    def _tool_data(self, event: t.Any) -> Values:
        tool = truncate(event.tool_name, MAX_ROLE)  # a model may have made it up
        return {"tool": tool, "agent": _agent_of(event), "step": self._step_name()}

    def _shorten(self, text: str) -> str:
        return truncate(self._redact(storable(text)), self._settings.max_event_chars)

    HANDLERS: t.ClassVar[dict[str, Callable[[CallEvents, t.Any], bool]]] = {
        "llm_call_started": _call_started,
        "llm_stream_chunk": _on_token,
        "llm_call_completed": _call_completed,
        "llm_call_failed": _call_failed,
        "tool_usage_started": _tool_started,
        "tool_usage_finished": _tool_finished,
        "tool_usage_error": _tool_failed,
    }


_TEXTS: t.Final = ("output", "reason")


def _reference() -> dict[str, int]:
    """Return the number of the model call of the current context, as events name it."""
    call = current_call.get()
    return {} if call is None else call.reference


def _agent_of(event: t.Any) -> str | None:
    """Return the agent's role, at its stored length."""
    role: str | None = event.agent_role
    return role and truncate(role, MAX_ROLE)


def usage_of(reported: dict[str, t.Any]) -> Usage:
    """Return the usage that a provider has reported, in OpenAI's or Anthropic's terms."""
    usage = read_usage(reported)
    return Usage(
        prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
    )
