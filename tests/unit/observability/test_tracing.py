"""OpenTelemetry that is not there yet."""

from __future__ import annotations

import sys
import types
import uuid

from flask_crewexec.observability import tracing


def test_nothing_is_traced_while_another_thread_imports_it(monkeypatch):
    name = "opentelemetry.trace"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with tracing.trace_submission():
        tracing.set_execution_attribute(uuid.uuid4())
        assert tracing.current_traceparent() is None
