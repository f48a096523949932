"""Event sink: CrewAI's events -> spans of steps and model calls; tool calls trace themselves."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Callable

from ..app_state import AppState
from ..observability.redaction import Redactor
from ..observability.span_contents import is_wanted_by_environment
from ..observability.span_contents import SpanContents
from ..observability.tracing import AttemptSpans
from ..observability.tracing import spans_of
from ..storage.call_retention import redact_value
from .call_events import usage_of
from .call_log.log import current_call
from .crewai_shims.event_sinks import add_stream_sink
from .crewai_shims.public_api import crewai

_PROVIDERS: t.Final = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
}
"""CrewAI's names of providers that have other names in OpenTelemetry's conventions."""


def trace_crew(
    execution_id: uuid.UUID, crew: crewai.Crew, app_state: AppState, redact: Redactor
) -> None:
    """Trace *crew* in the current context, if its attempt is traced."""
    if trace := spans_of(execution_id):
        trace.contents = _contents(app_state, redact)
        add_stream_sink(_Sink(trace, crew))


def _contents(app_state: AppState, redact: Redactor) -> SpanContents | None:
    """Return what turns texts into attributes; None if spans are to contain no texts."""
    if not app_state.settings.trace_content and not is_wanted_by_environment():
        return None
    hide = app_state.registry.redactor
    if hide is None:
        return SpanContents(redact)
    return SpanContents(lambda text: str(redact_value(hide, redact(text), "traced")))


class _Sink:
    def __init__(self, trace: AttemptSpans, crew: crewai.Crew) -> None:
        self._trace = trace
        self._positions = {str(task.id): position for position, task in enumerate(crew.tasks)}
        self._agents = [task.agent.role if task.agent else None for task in crew.tasks]

    def __call__(self, source: object, event: t.Any) -> None:
        if handle := self._HANDLERS.get(event.type):
            handle(self, source, event)

    def _step_started(self, source: object, event: t.Any) -> None:
        position = self._positions.get(event.task_id)
        if position is not None:  # delegated work belongs to the step around it
            self._trace.start_step(event.task_id, position, self._agents[position])

    def _step_completed(self, source: object, event: t.Any) -> None:
        if event.task_id in self._positions:
            self._trace.end_step(event.task_id)

    def _step_failed(self, source: object, event: t.Any) -> None:
        if event.task_id in self._positions:
            self._trace.end_step(event.task_id, failed=True)

    def _call_started(self, source: t.Any, event: t.Any) -> None:
        call = current_call.get()
        more: dict[str, str | int] = {}
        if provider := getattr(source, "provider", None):
            more["provider"] = _PROVIDERS.get(provider, provider)
        if call is not None and call.number is not None:
            more["number"] = call.number
        # In an event, CrewAI replaces what is nested deeply by its representation.
        messages = event.messages if call is None else call.asked
        self._trace.start_call(event.call_id, event.model, messages, **more)

    def _call_completed(self, source: object, event: t.Any) -> None:
        used = usage_of(event.usage or {})
        tokens = {"input_tokens": used.prompt_tokens, "output_tokens": used.completion_tokens}
        self._trace.end_call(event.call_id, event.response, event.finish_reason, **tokens)

    def _call_failed(self, source: object, event: t.Any) -> None:
        self._trace.fail_call(event.call_id)

    _HANDLERS: t.ClassVar[dict[str, Callable[[_Sink, t.Any, t.Any], None]]] = {
        "task_started": _step_started,
        "task_completed": _step_completed,
        "task_failed": _step_failed,
        "llm_call_started": _call_started,
        "llm_call_completed": _call_completed,
        "llm_call_failed": _call_failed,
    }
