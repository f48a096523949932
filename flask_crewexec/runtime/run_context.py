"""Run-scoped dependencies: secrets, redaction, HTTP connections and MCP servers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ..execution_context import ExecutionContext
from ..observability.redaction import Redactor
from ..registry.secrets import SecretResolver
from .mcp_servers import McpServers
from .model_connections import ModelConnections
from .stop_reasons import StopRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunContext:
    """What models, tools and callbacks of one run share."""

    execution: ExecutionContext
    secrets: SecretResolver
    redact: Redactor
    connections: ModelConnections
    servers: McpServers
    before_call: Callable[[], None]
    """Raises the reason why the run may make no further model call, if there is one."""
    stop: Callable[[StopRun], None]
    """Makes the run stop at its next boundary."""
