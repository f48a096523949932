"""Servers of the Model Context Protocol, opened for one run and closed with it."""

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

MAX_COMPLAINT: t.Final = 4_000
"""Characters of a server's last words that are logged if it cannot be opened."""


CLOSE_SECONDS: t.Final = 10.0
"""How long a server may take to end; then it is killed, or left alone."""
_SECRET_NAME: t.Final = re.compile(r"auth|key|token|secret|passw", re.IGNORECASE)


class McpFailure(Exception):
    """A call failed; the model reads the message."""


class McpServers(contextlib.AbstractContextManager["McpServers"]):
    """The servers of one run; each is opened when its first tool is made."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._portal: BlockingPortal | None = None
        self._open: dict[str, _Server] = {}
        self._calls: set[Future[t.Any]] = set()
        self._lock = threading.Lock()

    def __exit__(self, *exc_info: object) -> None:
        # Whatever a server does, the run has ended.
        with contextlib.suppress(Exception, BaseExceptionGroup):
            self._stack.close()

    def schema(self, spec: McpToolSpec, keys: SecretResolver) -> Json:
        """Return the JSON Schema of a tool's arguments, as its server tells it.

        :param keys: what the server is opened with, unless it is open.
        :raises ToolServerUnavailable: if the server cannot be opened.
        :raises ToolUnavailable: if it has no such tool.
        :raises MissingKey: if it needs a key that nobody has.
        """
        schemas = self._opened(spec.server, keys).schemas
        if spec.remote_name not in schemas:
            raise ToolUnavailable(
                f"The tool server '{spec.server.name}' has no tool '{spec.remote_name}'."
            )
        return schemas[spec.remote_name]

    def call(self, spec: McpToolSpec, arguments: Mapping[str, object]) -> str:
        """Call a tool and return what it says.

        :raises McpFailure: if it fails, takes too long or cannot be reached.
        """
        session = self._open[spec.server.name].session
        try:
            answer = self._wait(_called, session, spec, dict(arguments))
        except TimeoutError as error:
            raise McpFailure(
                f"The tool '{spec.name}' took longer than {spec.timeout:g} seconds and was given"
                " up."
            ) from error
        except Exception as error:
            log.warning("A call of tool '%s' failed.", spec.name, exc_info=True)
            raise McpFailure(f"The tool '{spec.name}' could not be used: {error}") from error
        text = _text(answer)
        if answer.isError:
            raise McpFailure(text)
        return text

    def abort(self) -> None:
        """End the calls that are under way, from another thread."""
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

    def _opened(self, spec: McpServerSpec, keys: SecretResolver) -> _Server:
        if spec.name not in self._open:
            self._open[spec.name] = self._start(spec, _values(spec, keys))
        return self._open[spec.name]

    def _start(self, spec: McpServerSpec, values: _Values) -> _Server:
        if self._portal is None:
            portal = start_blocking_portal(name="crewexec-mcp")
            self._portal = self._stack.enter_context(portal)
        file = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # the stack closes it
        complaints = self._stack.enter_context(file)
        opening = _opened(spec, values, complaints)
        try:
            return self._stack.enter_context(self._portal.wrap_async_context_manager(opening))
        except (Exception, BaseExceptionGroup) as error:
            complaints.seek(0)
            said = complaints.read()[-MAX_COMPLAINT:]
            log.warning("Tool server '%s' cannot be opened: %s", spec.name, said or "no output")
            raise ToolServerUnavailable(
                f"The tool server '{spec.name}' cannot be opened."
            ) from error


class _Values(t.NamedTuple):
    """What a server is opened with, for one user."""

    url: str | None
    headers: dict[str, str]
    env: dict[str, str]


def _values(spec: McpServerSpec, keys: SecretResolver) -> _Values:
    def all_of(settings: Mapping[str, SecretValue]) -> dict[str, str]:
        return {
            name: keys.resolve(setting, secret=bool(_SECRET_NAME.search(name)))
            for name, setting in settings.items()
        }

    url = None if spec.url is None else keys.resolve(spec.url)
    return _Values(url, all_of(spec.headers), all_of(spec.env))


class _Server(t.NamedTuple):
    """A server that is open."""

    session: ClientSession
    schemas: dict[str, Json]
    """The arguments of its tools."""


@contextlib.asynccontextmanager
async def _opened(
    spec: McpServerSpec, values: _Values, complaints: t.TextIO
) -> AsyncIterator[_Server]:
    # Not fail_after: what is entered within a scope must be left within it.
    with anyio.move_on_after(spec.connect_timeout) as scope:
        async with (
            _connected(spec, values, complaints) as streams,
            ClientSession(*streams) as session,
        ):
            await session.initialize()
            server = _Server(session, await _schemas(session))
            scope.deadline = math.inf
            try:
                yield server
            finally:
                scope.deadline = anyio.current_time() + CLOSE_SECONDS
    if scope.cancelled_caught:
        raise TimeoutError


@contextlib.asynccontextmanager
async def _connected(
    spec: McpServerSpec, values: _Values, complaints: t.TextIO
) -> AsyncIterator[Streams]:
    if values.url is None:
        program, *arguments = spec.command
        parameters = StdioServerParameters(command=program, args=arguments, env=values.env)
        async with stdio_client(parameters, complaints) as streams:
            yield streams
        return
    timeout = httpx.Timeout(spec.connect_timeout, read=None)  # each call has its own
    async with (
        httpx.AsyncClient(headers=values.headers, timeout=timeout) as client,
        streamable_http_client(values.url, http_client=client) as (reads, writes, _),
    ):
        yield reads, writes


async def _called(session: ClientSession, spec: McpToolSpec, arguments: Json) -> CallToolResult:
    with anyio.fail_after(spec.timeout):
        return await session.call_tool(spec.remote_name, arguments)


async def _schemas(session: ClientSession) -> dict[str, Json]:
    found: dict[str, Json] = {}
    cursor: str | None = None
    while True:
        page = await session.list_tools(cursor)
        found |= {tool.name: tool.inputSchema for tool in page.tools}
        cursor = page.nextCursor
        if cursor is None:
            return found


def _text(answer: CallToolResult) -> str:
    return "\n".join(map(_block, answer.content))


def _block(block: ContentBlock) -> str:
    """Return the text of a part of an answer; models are told of others that they are there."""
    match block:
        case TextContent(text=text) | EmbeddedResource(resource=TextResourceContents(text=text)):
            return text
    return f"[{block.type}]"
