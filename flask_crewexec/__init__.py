"""Run CrewAI crews in the background of a Flask application."""

from __future__ import annotations

__version__ = "0.1.0.dev0"

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
