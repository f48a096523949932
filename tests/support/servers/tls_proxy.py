"""TLS in front of a server that has none itself, as stunnel provides it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import typing as t
from collections.abc import AsyncIterator

from support.servers.processes import free_port


class TlsProxy:
    """Accepts TLS connections on a port of its own, and forwards what they send.

    :param target: the port of the server, on the loopback interface.
    :param context: holds the certificate.
    """

    def __init__(self, target: int, context: ssl.SSLContext) -> None:
        self.port = free_port()
        self._target = target
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> t.Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._context
        )

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {t.cast("asyncio.Task[None]", asyncio.current_task())}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closed(writer):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
            async with _closed(inner_writer):
                pumps = (_pump(reader, inner_writer), _pump(inner_reader, writer))
                await asyncio.wait(
                    [asyncio.create_task(pump) for pump in pumps],
                    return_when=asyncio.FIRST_COMPLETED,
                )


@contextlib.asynccontextmanager
async def _closed(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection at the end, whatever is still to be sent."""
    try:
        yield
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
