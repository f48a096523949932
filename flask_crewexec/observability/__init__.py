"""Logs, traces and redaction; the names here are for hosts that configure their own logging."""

from __future__ import annotations

from .logs import ContextFilter as ContextFilter
from .logs import JsonFormatter as JsonFormatter
