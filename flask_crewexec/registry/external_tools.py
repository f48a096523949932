"""Specifications of external tools: CrewAI's classes, and servers of the Model Context Protocol.

The web process only knows their names and descriptions; workers import or connect to them.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from .specs import ExternalToolSpec
from .specs import SecretValue

_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrewAIToolSpec(ExternalToolSpec):
    """A class that derives from CrewAI's ``BaseTool``."""

    source: str
    """``"module:Class"``; imported by workers when a graph uses the tool."""
    options: Mapping[str, t.Any] = dataclasses.field(repr=False)
    """Keyword arguments of the class; secrets at the top level are resolved."""

    def __post_init__(self) -> None:
        if not _CLASS.fullmatch(self.source):
            raise ValueError(
                f"The source {self.source!r} of tool '{self.name}' is invalid: write"
                " 'module:Class', such as 'crewai_tools:ScrapeWebsiteTool'."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class McpServerSpec:
    """A server that offers tools over the Model Context Protocol."""

    name: str
    url: SecretValue | None = dataclasses.field(default=None, repr=False)
    """URL of the server (Streamable HTTP)."""
    command: Sequence[str] = dataclasses.field(default=(), repr=False)
    """Command that starts the server (standard input and output)."""
    headers: Mapping[str, SecretValue] = dataclasses.field(default_factory=dict, repr=False)
    env: Mapping[str, SecretValue] = dataclasses.field(default_factory=dict, repr=False)
    connect_timeout: float = 30.0
    """Seconds within which the server must be ready."""

    def __post_init__(self) -> None:
        if (self.url is None) == (not self.command) or isinstance(self.command, str):
            raise ValueError(
                f"MCP server '{self.name}' needs either a 'url', or a 'command' as a list such as"
                " ['python', 'server.py']."
            )
        if (self.headers and self.command) or (self.env and self.url is not None):
            raise ValueError(
                f"MCP server '{self.name}': 'headers' need a 'url', and 'env' needs a 'command'."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class McpToolSpec(ExternalToolSpec):
    """One tool of an MCP server."""

    server: McpServerSpec
    remote_name: str
    """Name of the tool on the server."""


def mcp_tool_name(server: str, tool: str) -> str:
    """Return the name that graphs use for a server's *tool*."""
    return f"{server}_{re.sub(r'[^a-z0-9]+', '_', tool.lower())}"
