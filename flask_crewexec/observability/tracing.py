"""OpenTelemetry spans, where the host has set a tracer provider; without one, nothing.

::

    (a request) ─▶ crewexec queue ─▶ crewexec attempt ─▶ crewexec step ─▶ chat, execute_tool

A message may be lost and sent again by the reconciler, so the trace's context is not in it but in
the execution's row, as W3C ``traceparent``. All attempts belong to the trace of the request that
queued them. Spans carry no texts of users and models, no user ids and no messages of errors.
"""

from __future__ import annotations

import contextlib
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

EXECUTION_ID: t.Final = "crewexec.execution.id"


def _tracer() -> Tracer | None:
    """Return the tracer of the host's provider, if the host has set one."""
    api = sys.modules.get("opentelemetry.trace")  # whoever has set one has imported it
    if api is None or isinstance(api.get_tracer_provider(), api.ProxyTracerProvider):
        return None
    return t.cast("Tracer", api.get_tracer("flask_crewexec"))


@contextlib.contextmanager
def trace_submission() -> Iterator[None]:
    """Trace the queueing of an execution; also a decorator."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    span = tracer.start_span("crewexec queue", kind=_kind().PRODUCER)
    with _current(span):
        yield


def set_execution_attribute(execution_id: uuid.UUID) -> None:
    """Say which execution the current span is about."""
    if _tracer() is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attribute(EXECUTION_ID, str(execution_id))


def current_traceparent() -> str | None:
    """Return the current span's place in its trace (W3C Trace Context), if there is one."""
    if _tracer() is None:
        return None
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    return carrier.get("traceparent")


_step: ContextVar[Context | None] = ContextVar("crewexec_traced_step", default=None)
"""The step of the current thread: several may run beside each other."""


class AttemptSpans:
    """The spans of one attempt that have not ended.

    :param context: holds the attempt's span.
    """

    def __init__(self, tracer: Tracer, context: Context) -> None:
        self._tracer = tracer
        self._context = context
        self._open: dict[object, Span] = {}
        self._step: Context | None = None
        self._lock = threading.Lock()

    def start_step(self, key: object, **attributes: str | int) -> None:
        """Begin a step; model and tool calls belong to it until it ends."""
        from opentelemetry import trace

        span = self._start(key, "crewexec step", self._context, _prefixed("step", attributes))
        self._step = trace.set_span_in_context(span, self._context)
        _step.set(self._step)

    def end_step(self, key: object, failed: bool = False) -> None:
        """End a step."""
        self._step = None
        _step.set(None)
        self._end(key, failed)

    def start_call(self, key: object, model: str) -> None:
        """Begin a model call, named as OpenTelemetry's conventions for generative AI want it."""
        attributes: Attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
        self._start(key, f"chat {model}", self._around, attributes)

    def end_call(self, key: object, failed: bool = False, **tokens: int) -> None:
        """End a model call that used *tokens*: ``input_tokens`` and ``output_tokens``."""
        used: Attributes = {f"gen_ai.usage.{name}": count for name, count in tokens.items()}
        self._end(key, failed, used)

    @contextlib.contextmanager
    def tool(self, name: str) -> Iterator[None]:
        """Trace a tool; spans that it makes itself lie within its own."""
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        parent = self._around
        span = self._tracer.start_span(f"execute_tool {name}", parent, attributes=attributes)
        with _current(span):
            yield

    @property
    def _around(self) -> Context:
        """The step that the current thread is in; the newest one, in a thread that knows none."""
        return _step.get() or self._step or self._context

    def close(self) -> None:
        """End what was interrupted; the innermost first."""
        for key in reversed(tuple(self._open)):
            self._end(key, failed=True)

    def _start(self, key: object, name: str, parent: Context, attributes: Attributes) -> Span:
        kind = _kind().CLIENT if name.startswith("chat") else _kind().INTERNAL
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
            _fail(span)
        span.end()


_running: t.Final[dict[uuid.UUID, AttemptSpans]] = {}
"""By execution: CrewAI may call a tool from a thread that inherited no context."""


def trace_of(execution_id: uuid.UUID) -> AttemptSpans | None:
    """Return the trace of the attempt that runs here, if it is traced."""
    return _running.get(execution_id)


def trace_tool(execution_id: uuid.UUID, name: str) -> contextlib.AbstractContextManager[None]:
    """Trace a call of a tool in an execution."""
    trace = trace_of(execution_id)
    return contextlib.nullcontext() if trace is None else trace.tool(name)


@contextlib.contextmanager
def trace_attempt(
    execution: ExecutionContext, traceparent: str | None
) -> Iterator[Callable[[str], None]]:
    """Trace an attempt, within the trace that *traceparent* names.

    :return: a function to tell the outcome to.
    """
    tracer = _tracer()
    if tracer is None:
        yield lambda outcome: None
        return
    span = _start_attempt(tracer, execution, traceparent)
    with _current(span), _traced(tracer, execution.id):
        yield lambda outcome: _note_outcome(span, outcome)


def _start_attempt(tracer: Tracer, execution: ExecutionContext, traceparent: str | None) -> Span:
    from opentelemetry import trace

    parent = _propagator().extract({"traceparent": traceparent}) if traceparent else None
    # Instrumented, Celery has a trace of its own, which the message began.
    around = trace.get_current_span().get_span_context()
    links = [trace.Link(around)] if parent is not None and around.is_valid else []
    return tracer.start_span(
        "crewexec attempt",
        parent,
        kind=_kind().CONSUMER,
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

    trace = _running[execution_id] = AttemptSpans(tracer, context.get_current())
    try:
        yield
    finally:
        trace.close()
        if _running.get(execution_id) is trace:
            del _running[execution_id]


def _note_outcome(span: Span, outcome: str) -> None:
    span.set_attribute("crewexec.outcome", outcome)
    if outcome in (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT):
        _fail(span)


@contextlib.contextmanager
def _current(span: Span) -> Iterator[None]:
    """Make *span* the current one, and end it. Of an error it shows the kind only."""
    from opentelemetry import trace

    quietly = {"record_exception": False, "set_status_on_exception": False}
    with trace.use_span(span, end_on_exit=True, **quietly):
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__qualname__)
            _fail(span)
            raise


def _fail(span: Span) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)


def _kind() -> type[SpanKind]:
    from opentelemetry.trace import SpanKind

    return SpanKind


def _propagator() -> t.Any:
    """The host's own may be another one, but the column is W3C's."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


def _prefixed(prefix: str, attributes: Attributes) -> Attributes:
    return {f"crewexec.{prefix}.{name}": value for name, value in attributes.items()}
