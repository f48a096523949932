"""Run CrewAI crews in the background of a Flask application."""

from __future__ import annotations

__version__ = "0.1.0.dev0"

from .async_execution_service import AsyncExecutionService as AsyncExecutionService
from .errors import CrewExecError as CrewExecError
from .errors import StorageUnavailable as StorageUnavailable
from .execution_context import current_execution as current_execution
from .execution_context import ExecutionContext as ExecutionContext
from .extension import CrewExec as CrewExec
from .graph_service import GraphService as GraphService
from .identity import Identity as Identity
from .models import ExecutionMixin as ExecutionMixin
from .models import GraphMixin as GraphMixin
from .secrets import Secret as Secret
from .states import State as State
