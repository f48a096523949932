"""Run-scoped dependencies: secrets, redaction, HTTP connections and MCP servers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping

from ..execution_context import ExecutionContext
from ..graphs import GraphApproval
from ..graphs import QuestionTerms
from ..observability.redaction import Redactor
from ..registry.secrets import SecretResolver
from .call_log.log import CallError
from .call_log.log import OpenCall
from .call_log.run_calls import RunCalls
from .mcp_servers import McpServers
from .model_connections import ModelConnections
from .stop_reasons import StopRun
from .tool_requests import ToolRequests


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
    before_tool: Callable[[], None]
    """Raises the reason why a tool call that was allowed must not be made, if there is one."""
    calls: RunCalls
    requests: ToolRequests
    approvals: Mapping[str, GraphApproval]
    """What the graph demands of calls of tools, by their names."""
    question: QuestionTerms
    """How people are asked what agents want to know, as the graph says."""
    note_length: Callable[[str | None, str | None], None]
    """Takes why an answer ended, and the role of its agent, if it has one."""
    model_call_failed: Callable[[OpenCall, CallError], None]
    stop: Callable[[StopRun], None]
    """Makes the run stop at its next boundary."""
