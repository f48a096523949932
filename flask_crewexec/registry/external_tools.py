"""Tools that are made elsewhere: classes of CrewAI, and servers of the Model Context Protocol.

The web process knows their names and descriptions; only workers import or open them.
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
    """``"module:Class"``; imported by workers that run a graph which names the tool."""
    options: Mapping[str, t.Any] = dataclasses.field(repr=False)
    """What the class is called with; secrets at the top level are looked up."""

    def __post_init__(self) -> None:
        if not _CLASS.fullmatch(self.source):
            raise ValueError(
                f"Tool '{self.name}' cannot come from {self.source!r}: write 'module:Class', such"
                " as 'crewai_tools:ScrapeWebsiteTool'."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class McpServerSpec:
    """A server of tools that speaks the Model Context Protocol."""

    name: str
    url: SecretValue | None = dataclasses.field(default=None, repr=False)
    """Where it is (Streamable HTTP)."""
    command: Sequence[str] = dataclasses.field(default=(), repr=False)
    """What starts it (standard input and output)."""
    headers: Mapping[str, SecretValue] = dataclasses.field(default_factory=dict, repr=False)
    env: Mapping[str, SecretValue] = dataclasses.field(default_factory=dict, repr=False)
    connect_timeout: float = 30.0
    """Seconds until it must be ready."""

    def __post_init__(self) -> None:
        if (self.url is None) == (not self.command) or isinstance(self.command, str):
            raise ValueError(
                f"Tool server '{self.name}' needs either a 'url', or a 'command' as a list such as"
                " ['python', 'server.py']."
            )
        if (self.headers and self.command) or (self.env and self.url is not None):
            raise ValueError(
                f"Tool server '{self.name}': 'headers' go with 'url', 'env' goes with 'command'."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class McpToolSpec(ExternalToolSpec):
    """One tool of a server."""

    server: McpServerSpec
    its_name: str
    """What the server calls it."""


def mcp_tool_name(server: str, tool: str) -> str:
    """Return the name by which graphs know a server's *tool*."""
    return f"{server}_{re.sub(r'[^a-z0-9]+', '_', tool.lower())}"
