"""What the models and tools of one run are made with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ..execution_context import ExecutionContext
from ..redaction import Redactor
from ..secrets import KeyRing
from .guards import RunStopped
from .llms import Connections
from .mcp import McpServers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Means:
    """What the models and tools of one run are made with."""

    execution: ExecutionContext
    keys: KeyRing
    redact: Redactor
    connections: Connections
    servers: McpServers
    before_call: Callable[[], None]
    """Raises if the run may make no further model call."""
    stop: Callable[[RunStopped], None]
    """Lets the run stop at its next boundary."""
