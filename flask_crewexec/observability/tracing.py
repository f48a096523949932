"""OpenTelemetry spans, if the host has set a tracer provider.

::

    (a request) ─▶ crewexec queue ─▶ crewexec attempt ─▶ crewexec step ─▶ chat, execute_tool

The trace context is stored in the execution's row as W3C ``traceparent``, not in the message, which
may be lost and published again by the reconciler. All attempts belong to the trace of the request
that queued the execution. Spans contain no text of users or models, no user ids and no error
messages.
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

if t.TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace import Tracer

Attributes = dict[str, str | int]

log = logging.getLogger(__name__)

EXECUTION_ID: t.Final = "crewexec.execution.id"


def _tracer() -> Tracer | None:
    """Return the tracer of the host's provider, if the host has set one."""
    api = sys.modules.get("opentelemetry.trace")  # a host that has set one has imported it
    if api is None or isinstance(api.get_tracer_provider(), api.ProxyTracerProvider):
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

    def start_step(self, key: object, **attributes: str | int) -> None:
        """Start the span of a step; it is the parent of model and tool calls until it ends."""
        from opentelemetry import trace

        span = self._start(key, "crewexec step", self._context, _prefixed("step", attributes))
        self._step = trace.set_span_in_context(span, self._context)
        _step.set(self._step)

    def end_step(self, key: object, failed: bool = False) -> None:
        """End the span of a step."""
        self._step = None
        _step.set(None)
        self._end(key, failed)

    def start_call(self, key: object, model: str) -> None:
        """Start the span of a model call, named by OpenTelemetry's GenAI conventions."""
        attributes: Attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
        self._start(key, f"chat {model}", self._parent, attributes)

    def end_call(self, key: object, failed: bool = False, **tokens: int) -> None:
        """End the span of a model call that used ``input_tokens`` and ``output_tokens``."""
        usage: Attributes = {f"gen_ai.usage.{name}": count for name, count in tokens.items()}
        self._end(key, failed, usage)

    @contextlib.contextmanager
    def tool(self, name: str) -> Iterator[None]:
        """Trace a tool call; spans that the tool starts itself become children."""
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        span = self._tracer.start_span(f"execute_tool {name}", self._parent, attributes=attributes)
        with _current(span):
            yield

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


def trace_tool(execution_id: uuid.UUID, name: str) -> contextlib.AbstractContextManager[None]:
    """Trace a tool call of an execution."""
    spans = spans_of(execution_id)
    return contextlib.nullcontext() if spans is None else spans.tool(name)


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


def _prefixed(prefix: str, attributes: Attributes) -> Attributes:
    return {f"crewexec.{prefix}.{name}": value for name, value in attributes.items()}
