"""Servers of the Model Context Protocol (MCP), opened for one run and closed at its end."""

from __future__ import annotations

import contextlib
import logging
import math
import re
import tempfile
import threading
import typing as t
from collections.abc import AsyncIterator
from collections.abc import Mapping
from concurrent.futures import Future

import anyio
import httpx
from anyio.from_thread import BlockingPortal
from anyio.from_thread import start_blocking_portal
from mcp import ClientSession
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from mcp.types import ContentBlock
from mcp.types import EmbeddedResource
from mcp.types import TextContent
from mcp.types import TextResourceContents

from ..errors import ToolServerUnavailable
from ..errors import ToolUnavailable
from ..registry.external_tools import McpServerSpec
from ..registry.external_tools import McpToolSpec
from ..registry.secrets import SecretResolver
from ..registry.specs import SecretValue

Json = dict[str, t.Any]
Streams = tuple[t.Any, t.Any]

log = logging.getLogger(__name__)

MAX_OUTPUT: t.Final = 4_000
"""Characters of a server's error output that are logged if it cannot be opened."""
CLOSE_SECONDS: t.Final = 10.0
"""How long a server may take to shut down before it is killed or abandoned."""
_SECRET_NAME: t.Final = re.compile(r"auth|key|token|secret|passw", re.IGNORECASE)


class McpFailure(Exception):
    """A tool call has failed; the model is told the message."""


class McpServers(contextlib.AbstractContextManager["McpServers"]):
    """The servers of one run; each is opened when its first tool is created."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._portal: BlockingPortal | None = None
        self._open: dict[str, _Server] = {}
        self._calls: set[Future[t.Any]] = set()
        self._lock = threading.Lock()

    def __exit__(self, *exc_info: object) -> None:
        # The run has ended, so errors of a server do not matter any more.
        with contextlib.suppress(Exception, BaseExceptionGroup):
            self._stack.close()

    def schema(self, spec: McpToolSpec, secrets: SecretResolver) -> Json:
        """Return the JSON Schema of a tool's arguments, as its server reports it.

        :param secrets: secrets with which the server is opened, unless it is open.
        :raises ToolServerUnavailable: if the server cannot be opened.
        :raises ToolUnavailable: if it has no such tool.
        :raises SecretMissing: if it needs a secret that neither user nor host has.
        """
        schemas = self._open_once(spec.server, secrets).schemas
        if spec.remote_name not in schemas:
            raise ToolUnavailable(
                f"The tool server '{spec.server.name}' has no tool '{spec.remote_name}'."
            )
        return schemas[spec.remote_name]

    def call(self, spec: McpToolSpec, arguments: Mapping[str, object]) -> str:
        """Call a tool and return its answer as text.

        :raises McpFailure: if it fails, takes too long or cannot be reached.
        """
        session = self._open[spec.server.name].session
        try:
            answer = self._wait(_call_tool, session, spec, dict(arguments))
        except TimeoutError as error:
            raise McpFailure(
                f"The tool '{spec.name}' took longer than {spec.timeout:g} seconds and was given"
                " up."
            ) from error
        except Exception as error:
            log.warning("A call of tool '%s' failed.", spec.name, exc_info=True)
            raise McpFailure(f"The tool '{spec.name}' failed: {error}") from error
        text = _text(answer)
        if answer.isError:
            raise McpFailure(text)
        return text

    def abort(self) -> None:
        """Cancel pending calls, from another thread."""
        with self._lock:
            calls = tuple(self._calls)
        for call in calls:
            call.cancel()

    def _wait(self, function: t.Any, *arguments: object) -> CallToolResult:
        assert self._portal is not None
        call = self._portal.start_task_soon(function, *arguments)
        with self._lock:
            self._calls.add(call)
        try:
            return t.cast(CallToolResult, call.result())
        finally:
            with self._lock:
                self._calls.discard(call)

    def _open_once(self, spec: McpServerSpec, secrets: SecretResolver) -> _Server:
        if spec.name not in self._open:
            self._open[spec.name] = self._start(spec, _resolve_settings(spec, secrets))
        return self._open[spec.name]

    def _start(self, spec: McpServerSpec, settings: _ServerSettings) -> _Server:
        if self._portal is None:
            portal = start_blocking_portal(name="crewexec-mcp")
            self._portal = self._stack.enter_context(portal)
        file = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # the stack closes it
        error_output = self._stack.enter_context(file)
        opening = _open_server(spec, settings, error_output)
        try:
            return self._stack.enter_context(self._portal.wrap_async_context_manager(opening))
        except (Exception, BaseExceptionGroup) as error:
            error_output.seek(0)
            output = error_output.read()[-MAX_OUTPUT:]
            log.warning("Tool server '%s' cannot be opened: %s", spec.name, output or "no output")
            raise ToolServerUnavailable(
                f"The tool server '{spec.name}' cannot be opened."
            ) from error


class _ServerSettings(t.NamedTuple):
    """Settings of a server with the secrets of one user."""

    url: str | None
    headers: dict[str, str]
    env: dict[str, str]


def _resolve_settings(spec: McpServerSpec, secrets: SecretResolver) -> _ServerSettings:
    def resolve_all(values: Mapping[str, SecretValue]) -> dict[str, str]:
        return {
            name: secrets.resolve(value, secret=bool(_SECRET_NAME.search(name)))
            for name, value in values.items()
        }

    url = None if spec.url is None else secrets.resolve(spec.url)
    return _ServerSettings(url, resolve_all(spec.headers), resolve_all(spec.env))


class _Server(t.NamedTuple):
    """An open server."""

    session: ClientSession
    schemas: dict[str, Json]
    """JSON Schemas of its tools' arguments, by name."""


@contextlib.asynccontextmanager
async def _open_server(
    spec: McpServerSpec, settings: _ServerSettings, error_output: t.TextIO
) -> AsyncIterator[_Server]:
    # Not fail_after: contexts that are entered within a scope must be left within it.
    with anyio.move_on_after(spec.connect_timeout) as scope:
        async with (
            _connect(spec, settings, error_output) as streams,
            ClientSession(*streams) as session,
        ):
            await session.initialize()
            server = _Server(session, await _list_schemas(session))
            scope.deadline = math.inf
            try:
                yield server
            finally:
                scope.deadline = anyio.current_time() + CLOSE_SECONDS
    if scope.cancelled_caught:
        raise TimeoutError


@contextlib.asynccontextmanager
async def _connect(
    spec: McpServerSpec, settings: _ServerSettings, error_output: t.TextIO
) -> AsyncIterator[Streams]:
    if settings.url is None:
        program, *arguments = spec.command
        parameters = StdioServerParameters(command=program, args=arguments, env=settings.env)
        async with stdio_client(parameters, error_output) as streams:
            yield streams
        return
    timeout = httpx.Timeout(spec.connect_timeout, read=None)  # each call has its own timeout
    async with (
        httpx.AsyncClient(headers=settings.headers, timeout=timeout) as client,
        streamable_http_client(settings.url, http_client=client) as (reads, writes, _),
    ):
        yield reads, writes


async def _call_tool(session: ClientSession, spec: McpToolSpec, arguments: Json) -> CallToolResult:
    with anyio.fail_after(spec.timeout):
        return await session.call_tool(spec.remote_name, arguments)


async def _list_schemas(session: ClientSession) -> dict[str, Json]:
    schemas: dict[str, Json] = {}
    cursor: str | None = None
    while True:
        page = await session.list_tools(cursor)
        schemas |= {tool.name: tool.inputSchema for tool in page.tools}
        cursor = page.nextCursor
        if cursor is None:
            return schemas


def _text(answer: CallToolResult) -> str:
    return "\n".join(map(_block_text, answer.content))


def _block_text(block: ContentBlock) -> str:
    """Return the text of a content block; of other blocks only their type."""
    match block:
        case TextContent(text=text) | EmbeddedResource(resource=TextResourceContents(text=text)):
            return text
    return f"[{block.type}]"
