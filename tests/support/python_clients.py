"""Both clients for Python, called in the same way."""

from __future__ import annotations

import asyncio
import inspect
import typing as t
from collections.abc import AsyncGenerator
from collections.abc import Callable
from collections.abc import Iterator

import pytest

from flask_crewexec.client import AsyncClient
from flask_crewexec.client import Client

each_client = pytest.mark.parametrize("kind", ["sync", "async"])
"""Runs a test with both clients."""

Connect = Callable[..., Client]
"""Returns a client of an address, with the options that it has."""


class WaitingAsyncClient:
    """Has the methods of :class:`AsyncClient`, each of which waits for the end."""

    def __init__(self, url: str, **options: t.Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(url, **options)

    def __getattr__(self, name: str) -> Callable[..., t.Any]:
        method = getattr(self._client, name)

        def call(*args: t.Any, **options: t.Any) -> t.Any:
            called: t.Any = method(*args, **options)
            if inspect.isasyncgen(called):
                return self._items(called)
            return self._loop.run_until_complete(called)

        return call

    def _items(self, generator: AsyncGenerator[t.Any, t.Any]) -> Iterator[t.Any]:
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(anext(generator))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(generator.aclose())

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


def client_of(kind: str) -> Connect:
    """Return what makes clients: ``"sync"`` or ``"async"`` ones."""
    return Client if kind == "sync" else t.cast(Connect, WaitingAsyncClient)
