"""OpenTelemetry spans, if the host has set a tracer provider.

::

    (a request) ─▶ crewexec queue ─▶ crewexec attempt ─▶ invoke_agent ─▶ chat, execute_tool

The names from ``invoke_agent`` on, which is a step, are those of OpenTelemetry's GenAI conventions.

The trace context is stored in the execution's row as W3C ``traceparent``, not in the message, which
may be lost and published again by the reconciler. All attempts belong to the trace of the request
that queued the execution. Spans contain no user ids and no error messages, and texts of users and
models only if the host wants them.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from contextvars import ContextVar

from ..execution_context import ExecutionContext
from ..statuses import ExecutionStatus
from .span_contents import SpanContents

if t.TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace import Tracer

Attributes = dict[str, t.Any]

log = logging.getLogger(__name__)

EXECUTION_ID: t.Final = "crewexec.execution.id"
_OPERATION: t.Final = "gen_ai.operation.name"
_CALL_ATTRIBUTES: t.Final = {"provider": "gen_ai.provider.name", "number": "crewexec.call.number"}


def _tracer() -> Tracer | None:
    """Return the tracer of the host's provider, if the host has set one."""
    api = sys.modules.get("opentelemetry.trace")  # a host that has set one has imported it
    # While another thread imports it, it has not all names yet.
    provider = getattr(api, "get_tracer_provider", None)
    if api is None or provider is None or isinstance(provider(), api.ProxyTracerProvider):
        return None
    return t.cast("Tracer", api.get_tracer("flask_crewexec"))


@contextlib.contextmanager
def trace_submission() -> Iterator[None]:
    """Trace the submission of an execution; also a decorator."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    span = tracer.start_span("crewexec queue", kind=_span_kind().PRODUCER)
    with _current(span):
        yield


def set_execution_attribute(execution_id: uuid.UUID) -> None:
    """Add the id of the execution to the current span."""
    if _tracer() is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attribute(EXECUTION_ID, str(execution_id))


def current_traceparent() -> str | None:
    """Return the ``traceparent`` of the current span (W3C Trace Context), if there is one."""
    if _tracer() is None:
        return None
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    return carrier.get("traceparent")


_step: ContextVar[Context | None] = ContextVar("crewexec_traced_step", default=None)
"""The step of the current thread: several steps may run at the same time."""


class AttemptSpans:
    """The open spans of one attempt.

    :param context: contains the span of the attempt.
    """

    def __init__(self, tracer: Tracer, context: Context) -> None:
        self._tracer = tracer
        self._context = context
        self._open: dict[object, Span] = {}
        self._step: Context | None = None
        self._lock = threading.Lock()
        self.contents: SpanContents | None = None
        """None if spans contain nothing of what is said."""

    def start_step(self, key: object, position: int, agent: str | None) -> None:
        """Start the span of a step; it is the parent of model and tool calls until it ends."""
        from opentelemetry import trace

        attributes = {_OPERATION: "invoke_agent", "crewexec.step.position": position}
        if self.contents is not None:
            attributes |= self.contents.agent(agent)
        span = self._start(key, "invoke_agent", self._context, attributes)
        self._step = trace.set_span_in_context(span, self._context)
        _step.set(self._step)

    def end_step(self, key: object, failed: bool = False) -> None:
        """End the span of a step."""
        self._step = None
        _step.set(None)
        self._end(key, failed)

    def start_call(self, key: object, model: str, messages: object, **more: str | int) -> None:
        """Start the span of a model call.

        :param more: ``provider`` and the ``number`` of the call in the call log, if known.
        """
        attributes: Attributes = {_OPERATION: "chat", "gen_ai.request.model": model}
        attributes |= {_CALL_ATTRIBUTES[name]: value for name, value in more.items()}
        if self.contents is not None:
            attributes |= self.contents.prompt(messages)
        self._start(key, f"chat {model}", self._parent, attributes)

    def end_call(
        self, key: object, answer: object, finish_reason: str | None, **tokens: int
    ) -> None:
        """End the span of a model call that used ``input_tokens`` and ``output_tokens``."""
        attributes: Attributes = {f"gen_ai.usage.{name}": count for name, count in tokens.items()}
        if finish_reason is not None:
            attributes["gen_ai.response.finish_reasons"] = [finish_reason]
        if self.contents is not None:
            attributes |= self.contents.answer(answer, finish_reason)
        self._end(key, failed=False, attributes=attributes)

    def fail_call(self, key: object) -> None:
        """End the span of a model call that has failed."""
        self._end(key, failed=True)

    @contextlib.contextmanager
    def tool(self, name: str, arguments: object) -> Iterator[Callable[[object], None]]:
        """Trace a tool call; spans that the tool starts itself become children.

        :return: a function that notes the result.
        """
        contents = self.contents
        attributes: Attributes = {_OPERATION: "execute_tool", "gen_ai.tool.name": name}
        if contents is not None:
            attributes |= contents.arguments(arguments)
        span = self._tracer.start_span(f"execute_tool {name}", self._parent, attributes=attributes)

        def note_result(result: object) -> None:
            if contents is not None:
                span.set_attributes(contents.result(result))

        with _current(span):
            yield note_result

    @property
    def _parent(self) -> Context:
        """The step of the current thread, or the newest one if the thread has none."""
        return _step.get() or self._step or self._context

    def close(self) -> None:
        """End the spans that were interrupted, the innermost first."""
        for key in reversed(tuple(self._open)):
            self._end(key, failed=True)

    def _start(self, key: object, name: str, parent: Context, attributes: Attributes) -> Span:
        kind = _span_kind().CLIENT if name.startswith("chat") else _span_kind().INTERNAL
        span = self._tracer.start_span(name, parent, kind=kind, attributes=attributes)
        with self._lock:
            self._open[key] = span
        return span

    def _end(self, key: object, failed: bool, attributes: Attributes | None = None) -> None:
        with self._lock:
            span = self._open.pop(key, None)
        if span is None:
            return
        span.set_attributes(attributes or {})
        if failed:
            _mark_failed(span)
        span.end()


_running: t.Final[dict[uuid.UUID, AttemptSpans]] = {}
"""By execution, since CrewAI may call a tool in a thread without our context variables."""


def spans_of(execution_id: uuid.UUID) -> AttemptSpans | None:
    """Return the spans of the attempt that runs in this process, if it is traced."""
    return _running.get(execution_id)


def trace_tool(
    execution_id: uuid.UUID, name: str, arguments: object
) -> contextlib.AbstractContextManager[Callable[[object], None]]:
    """Trace a tool call of an execution.

    :return: in its context, a function that notes the result.
    """
    spans = spans_of(execution_id)
    return contextlib.nullcontext(_ignore) if spans is None else spans.tool(name, arguments)


def _ignore(result: object) -> None:
    pass


@contextlib.contextmanager
def trace_attempt(
    execution: ExecutionContext, traceparent: str | None
) -> Iterator[Callable[[str], None]]:
    """Trace an attempt as part of the trace that *traceparent* names.

    :return: a function that records the outcome.
    """
    tracer = _tracer()
    span = None if tracer is None else _try_to_start_attempt(tracer, execution, traceparent)
    if tracer is None or span is None:
        yield lambda outcome: None
        return
    with _current(span), _traced(tracer, execution.id):
        yield lambda outcome: _record_outcome(span, outcome)


def _try_to_start_attempt(
    tracer: Tracer, execution: ExecutionContext, traceparent: str | None
) -> Span | None:
    try:
        return _start_attempt(tracer, execution, traceparent)
    except Exception:  # a processor of the host may raise anything, and the run is claimed already
        log.warning("Execution %s is not traced.", execution.id, exc_info=True)
        return None


def _start_attempt(tracer: Tracer, execution: ExecutionContext, traceparent: str | None) -> Span:
    from opentelemetry import trace

    parent = _propagator().extract({"traceparent": traceparent}) if traceparent else None
    # If Celery is instrumented, the current span belongs to the trace of the message.
    current = trace.get_current_span().get_span_context()
    links = [trace.Link(current)] if parent is not None and current.is_valid else []
    return tracer.start_span(
        "crewexec attempt",
        parent,
        kind=_span_kind().CONSUMER,
        links=links,
        attributes={
            EXECUTION_ID: str(execution.id),
            _OPERATION: "invoke_workflow",
            "crewexec.graph.id": str(execution.graph_id),
            "crewexec.attempt": execution.attempt,
        },
    )


@contextlib.contextmanager
def _traced(tracer: Tracer, execution_id: uuid.UUID) -> Iterator[None]:
    from opentelemetry import context

    spans = _running[execution_id] = AttemptSpans(tracer, context.get_current())
    try:
        yield
    finally:
        spans.close()
        if _running.get(execution_id) is spans:
            del _running[execution_id]


def _record_outcome(span: Span, outcome: str) -> None:
    span.set_attribute("crewexec.outcome", outcome)
    if outcome in (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT):
        _mark_failed(span)


@contextlib.contextmanager
def _current(span: Span) -> Iterator[None]:
    """Make *span* the current one and end it; of an error it records only the type."""
    from opentelemetry import trace

    options = {"record_exception": False, "set_status_on_exception": False}
    with trace.use_span(span, end_on_exit=True, **options):
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__qualname__)
            _mark_failed(span)
            raise


def _mark_failed(span: Span) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)


def _span_kind() -> type[SpanKind]:
    from opentelemetry.trace import SpanKind

    return SpanKind


def _propagator() -> t.Any:
    """Return W3C's propagator, the format of our column, whichever the host has configured."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()
