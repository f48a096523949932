"""Clients of the broker that keep their connections, for the messages of submissions."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..per_app import AppLocal

if t.TYPE_CHECKING:
    import redis


class KeptClients:
    """The idle clients of one application in this process, each with its own connection.

    A pool of redis-py first asks a connection whether it is still open: three system calls, and in
    each one another thread may take Python's lock. These clients notice it when they send.
    """

    def __init__(self) -> None:
        self._idle: list[redis.Redis] = []
        self._pid = os.getpid()

    def push(self, client: t.Any, list_name: str, message: str) -> None:
        """Push a message to a list; perhaps twice if the connection breaks on the way.

        :param client: a client of the broker. One of a subclass is used itself, because it does
            more with its commands, such as adding a prefix.
        """
        import redis  # loads much, and a web process that starts needs none of it

        if type(client) is not redis.Redis:
            client.lpush(list_name, message)
            return
        kept = self._take()
        if kept is not None:
            with contextlib.suppress(redis.ConnectionError):  # it was closed, for instance
                self._push(kept, list_name, message)
                return
        self._push(t.cast(t.Any, client).client(), list_name, message)

    def _push(self, kept: redis.Redis, list_name: str, message: str) -> None:
        kept.lpush(list_name, message)
        self._idle.append(kept)

    def _take(self) -> redis.Redis | None:
        if self._pid != os.getpid():  # the connections are those of the process that has forked
            self._idle.clear()  # first: another thread takes one as soon as the id is right
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None


kept_clients: t.Final[AppLocal[KeptClients]] = AppLocal(lambda app: KeptClients())
