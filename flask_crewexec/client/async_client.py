"""The client for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import typing as t
from collections.abc import AsyncGenerator
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Mapping

import httpx

from . import following
from . import operations
from .commands import Command
from .commands import Commands
from .commands import Failure
from .commands import Item
from .commands import Open
from .commands import Pause
from .commands import Read
from .commands import Request
from .commands import Send
from .commands import Stream
from .endpoint import Endpoint
from .endpoint import failure_of
from .endpoint import outcome_of
from .methods import describe

P = t.ParamSpec("P")
T = t.TypeVar("T")
Headers: t.TypeAlias = Mapping[str, str]
GivenHeaders: t.TypeAlias = Headers | Callable[[], Headers | Awaitable[Headers]] | None


def _method(
    operation: Callable[P, Commands[T]],
) -> Callable[t.Concatenate[AsyncClient, P], Coroutine[t.Any, t.Any, T]]:
    @describe(operation, "{}")
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(operation(*args, **kwargs))

    return method


def _iterator(
    operation: Callable[P, Stream[T]],
) -> Callable[t.Concatenate[AsyncClient, P], AsyncGenerator[T, None]]:
    @describe(operation, "AsyncGenerator[{}, None]")
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        return self._iterate(operation(*args, **kwargs))

    return method


class AsyncClient:
    """Calls the API in the name of one user, with the methods of :class:`Client`.

    Those that return one value are awaited; the others are for ``async for``.

    :param url: address of the API, such as ``https://example.com/crewexec``.
    :param headers: headers of each request, or a function that returns them, which may be async.
    :param timeout: seconds in which the server must go on answering a request.
    :param http: sends the requests, with its own TLS, proxies and transport; it stays open.
    :raises ValueError: if the address is not one of HTTP.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: GivenHeaders = None,
        timeout: float = 20.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._endpoint = Endpoint(url, timeout)
        self._headers = headers
        self._is_own = http is None
        self._http = http or httpx.AsyncClient()

    queue = _method(operations.queue)
    get = _method(operations.get)
    wait = _method(operations.wait)
    list = _iterator(operations.list_executions)
    follow = _iterator(following.follow)
    step = _method(operations.step)
    result = _method(operations.result)
    calls = _iterator(operations.calls)
    call = _method(operations.call)
    cancel = _method(operations.cancel)
    retry = _method(operations.retry)
    cancel_several = _method(operations.cancel_several)
    retry_several = _method(operations.retry_several)
    fork = _method(operations.fork)
    compare = _method(operations.compare)
    input_requests = _iterator(operations.input_requests)
    input_request = _method(operations.input_request)
    answer = _method(operations.answer)
    answer_all = _method(operations.answer_all)
    pause_queue = _method(operations.pause_queue)
    resume_queue = _method(operations.resume_queue)
    workers = _method(operations.workers)
    drain_worker = _method(operations.drain_worker)
    resume_worker = _method(operations.resume_worker)

    async def aclose(self) -> None:
        """Close the connections, if they were not passed as *http*."""
        if self._is_own:
            await self._http.aclose()

    async def __aenter__(self) -> t.Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(self, commands: Commands[T]) -> T:
        async with self._performer() as performer:
            outcome: object = None
            while True:
                try:
                    command = commands.send(outcome)
                except StopIteration as end:
                    return t.cast(T, end.value)
                outcome = await performer.perform(command)

    async def _iterate(self, commands: Stream[T]) -> AsyncGenerator[T, None]:
        async with self._performer() as performer:
            outcome: object = None
            while True:
                try:
                    command = commands.send(outcome)
                except StopIteration:
                    return
                if isinstance(command, Item):
                    yield command.value
                    outcome = None
                else:
                    outcome = await performer.perform(command)

    @contextlib.asynccontextmanager
    async def _performer(self) -> AsyncIterator[_Performer]:
        performer = _Performer(self._http, self._endpoint, self._headers)
        try:
            yield performer
        finally:
            await performer.close()


class _Performer:
    """Carries out the commands of one operation."""

    def __init__(self, http: httpx.AsyncClient, endpoint: Endpoint, headers: GivenHeaders) -> None:
        self._http = http
        self._endpoint = endpoint
        self._headers = headers
        self._stream: httpx.Response | None = None
        self._parts: AsyncIterator[bytes] | None = None

    async def perform(self, command: Command) -> object:
        try:
            match command:
                case Send(request):
                    return outcome_of(await self._http.send(await self._build(request)))
                case Open(request, silence):
                    return await self._open(request, silence)
                case Read():
                    return await anext(t.cast("AsyncIterator[bytes]", self._parts), b"")
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                    return None
        except httpx.RequestError as error:
            return failure_of(error)

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()

    async def _open(self, request: Request, silence: float) -> Failure | None:
        await self.close()
        self._stream = await self._http.send(await self._build(request, silence), stream=True)
        if not self._stream.is_success:
            await self._stream.aread()
            return t.cast(Failure, outcome_of(self._stream))
        self._parts = self._stream.aiter_bytes()
        return None

    async def _build(self, request: Request, silence: float | None = None) -> httpx.Request:
        given = self._headers() if callable(self._headers) else self._headers
        headers = await given if inspect.isawaitable(given) else given
        return self._endpoint.build(self._http, request, headers or {}, silence)
