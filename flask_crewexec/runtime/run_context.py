"""What the models and tools of one run are made with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ..execution_context import ExecutionContext
from ..observability.redaction import Redactor
from ..registry.secrets import SecretResolver
from .llm_builder import ModelConnections
from .mcp_servers import McpServers
from .stop_reasons import StopRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunContext:
    """What the models and tools of one run are made with."""

    execution: ExecutionContext
    secrets: SecretResolver
    redact: Redactor
    connections: ModelConnections
    servers: McpServers
    before_call: Callable[[], None]
    """Raises if the run may make no further model call."""
    stop: Callable[[StopRun], None]
    """Lets the run stop at its next boundary."""
