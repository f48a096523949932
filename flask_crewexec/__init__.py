"""Run CrewAI crews in the background of a Flask application."""

from __future__ import annotations

import pkgutil
import typing as t

__version__ = "0.1.0.dev0"

if t.TYPE_CHECKING:
    from .errors import CrewExecError
    from .errors import StorageUnavailable
    from .execution_context import current_execution
    from .execution_context import ExecutionContext
    from .extension import CrewExec
    from .identity import Identity
    from .models import ExecutionMixin
    from .models import GraphMixin
    from .notifications.notification import Notification
    from .registry.approval import Approval
    from .registry.secrets import Secret
    from .registry.signals import signals
    from .services.async_execution_service import AsyncExecutionService
    from .services.graph_service import GraphService
    from .statuses import ExecutionStatus as State

__all__ = [
    "Approval",
    "AsyncExecutionService",
    "CrewExec",
    "CrewExecError",
    "ExecutionContext",
    "ExecutionMixin",
    "GraphMixin",
    "GraphService",
    "Identity",
    "Notification",
    "Secret",
    "State",
    "StorageUnavailable",
    "current_execution",
    "signals",
]

_PLACES: t.Final = {
    "Approval": "registry.approval:Approval",
    "AsyncExecutionService": "services.async_execution_service:AsyncExecutionService",
    "CrewExec": "extension:CrewExec",
    "CrewExecError": "errors:CrewExecError",
    "ExecutionContext": "execution_context:ExecutionContext",
    "ExecutionMixin": "models:ExecutionMixin",
    "GraphMixin": "models:GraphMixin",
    "GraphService": "services.graph_service:GraphService",
    "Identity": "identity:Identity",
    "Notification": "notifications.notification:Notification",
    "Secret": "registry.secrets:Secret",
    "State": "statuses:ExecutionStatus",
    "StorageUnavailable": "errors:StorageUnavailable",
    "current_execution": "execution_context:current_execution",
    "signals": "registry.signals:signals",
}
"""Imported when they are asked for, so that programs with only the client import no Flask."""


def __getattr__(name: str) -> t.Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = pkgutil.resolve_name(f"{__name__}.{_PLACES[name]}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
