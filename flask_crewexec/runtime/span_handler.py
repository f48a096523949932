"""Event sink: CrewAI's events -> spans of steps and model calls; tool calls trace themselves."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Callable

from ..observability.tracing import AttemptSpans
from ..observability.tracing import spans_of
from .call_events import usage_of
from .crewai_shims.event_sinks import add_stream_sink
from .crewai_shims.public_api import crewai


def trace_crew(execution_id: uuid.UUID, crew: crewai.Crew) -> None:
    """Trace *crew* in the current context, if its attempt is traced."""
    if trace := spans_of(execution_id):
        add_stream_sink(_Sink(trace, crew))


class _Sink:
    def __init__(self, trace: AttemptSpans, crew: crewai.Crew) -> None:
        self._trace = trace
        self._positions = {str(task.id): position for position, task in enumerate(crew.tasks)}

    def __call__(self, source: object, event: t.Any) -> None:
        if handle := self._HANDLERS.get(event.type):
            handle(self, event)

    def _step_started(self, event: t.Any) -> None:
        position = self._positions.get(event.task_id)
        if position is not None:  # delegated work belongs to the step around it
            self._trace.start_step(event.task_id, position=position)

    def _step_completed(self, event: t.Any) -> None:
        if event.task_id in self._positions:
            self._trace.end_step(event.task_id)

    def _step_failed(self, event: t.Any) -> None:
        if event.task_id in self._positions:
            self._trace.end_step(event.task_id, failed=True)

    def _call_started(self, event: t.Any) -> None:
        self._trace.start_call(event.call_id, event.model)

    def _call_completed(self, event: t.Any) -> None:
        used = usage_of(event.usage or {})
        self._trace.end_call(
            event.call_id, input_tokens=used.prompt_tokens, output_tokens=used.completion_tokens
        )

    def _call_failed(self, event: t.Any) -> None:
        self._trace.end_call(event.call_id, failed=True)

    _HANDLERS: t.ClassVar[dict[str, Callable[[_Sink, t.Any], None]]] = {
        "task_started": _step_started,
        "task_completed": _step_completed,
        "task_failed": _step_failed,
        "llm_call_started": _call_started,
        "llm_call_completed": _call_completed,
        "llm_call_failed": _call_failed,
    }
