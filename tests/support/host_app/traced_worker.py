"""The host's Celery app with OpenTelemetry on, as its documentation wants it: after the fork."""

from __future__ import annotations

import os

from celery import signals
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from support.host_app import host

celery_app = host.create_app().extensions["celery"]


@signals.worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]  # Celery ships no types
def trace_to_file(**options: object) -> None:
    out = open(os.environ["SPANS"], "a", buffering=1)  # noqa: SIM115  # as long as the process
    exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
