"""The client for code that waits."""

from __future__ import annotations

import contextlib
import time
import typing as t
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
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


def _method(operation: Callable[P, Commands[T]]) -> Callable[t.Concatenate[Client, P], T]:
    @describe(operation, "{}")
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(operation(*args, **kwargs))

    return method


def _iterator(
    operation: Callable[P, Stream[T]],
) -> Callable[t.Concatenate[Client, P], Generator[T, None, None]]:
    @describe(operation, "Generator[{}, None, None]")
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        return self._iterate(operation(*args, **kwargs))

    return method


class Client:
    """Calls the API in the name of one user; threads may share it.

    :param url: address of the API, such as ``https://example.com/crewexec``.
    :param headers: headers of each request, or a function that returns them.
    :param timeout: seconds in which the server must go on answering a request.
    :param http: sends the requests, with its own TLS, proxies and transport; it stays open.
    :raises ValueError: if the address is not one of HTTP.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Headers | Callable[[], Headers] | None = None,
        timeout: float = 20.0,
        http: httpx.Client | None = None,
    ) -> None:
        self._endpoint = Endpoint(url, timeout)
        self._headers = headers
        self._is_own = http is None
        self._http = http or httpx.Client()

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

    def close(self) -> None:
        """Close the connections, if they were not passed as *http*."""
        if self._is_own:
            self._http.close()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, commands: Commands[T]) -> T:
        with self._performer() as performer:
            outcome: object = None
            while True:
                try:
                    command = commands.send(outcome)
                except StopIteration as end:
                    return t.cast(T, end.value)
                outcome = performer.perform(command)

    def _iterate(self, commands: Stream[T]) -> Generator[T, None, None]:
        with self._performer() as performer:
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
                    outcome = performer.perform(command)

    @contextlib.contextmanager
    def _performer(self) -> Iterator[_Performer]:
        performer = _Performer(self._http, self._endpoint, self._headers)
        try:
            yield performer
        finally:
            performer.close()


class _Performer:
    """Carries out the commands of one operation."""

    def __init__(
        self,
        http: httpx.Client,
        endpoint: Endpoint,
        headers: Headers | Callable[[], Headers] | None,
    ) -> None:
        self._http = http
        self._endpoint = endpoint
        self._headers = headers
        self._stream: httpx.Response | None = None
        self._parts: Iterator[bytes] = iter(())

    def perform(self, command: Command) -> object:
        try:
            match command:
                case Send(request):
                    return outcome_of(self._http.send(self._build(request)))
                case Open(request, silence):
                    return self._open(request, silence)
                case Read():
                    return next(self._parts, b"")
                case Pause(seconds):
                    time.sleep(seconds)
                    return None
        except httpx.RequestError as error:
            return failure_of(error)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _open(self, request: Request, silence: float) -> Failure | None:
        self.close()
        self._stream = self._http.send(self._build(request, silence), stream=True)
        if not self._stream.is_success:
            self._stream.read()
            return t.cast(Failure, outcome_of(self._stream))
        self._parts = self._stream.iter_bytes()
        return None

    def _build(self, request: Request, silence: float | None = None) -> httpx.Request:
        given = self._headers() if callable(self._headers) else self._headers
        return self._endpoint.build(self._http, request, given or {}, silence)
