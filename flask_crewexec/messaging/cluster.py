"""Connections to the primary of a Redis Cluster that has our keys.

All keys of an installation are in one slot, since they begin with the same hash tag. So one server
at a time has them, and everything else works as with a single server, as it does with Sentinel. Any
node tells which server it is; it is asked again for every new connection, and a connection that has
reached another server is thrown away.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from urllib.parse import urlsplit

from kombu.utils.url import parse_url
from redis import Connection
from redis import exceptions
from redis import SSLConnection
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

Address = tuple[str, int]
_AskForSlots = Callable[[Address], Sequence[t.Any]]
"""Takes the address of a node, and returns its answer to ``CLUSTER SLOTS``."""

DEFAULT_PORT: t.Final = 6379
_NOT_THE_PRIMARY: t.Final = (
    exceptions.AskError,  # also the base class of MovedError
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    exceptions.ReadOnlyError,
)
"""Answers of a server that does not have all our keys, at the moment or any more."""


class NoPrimary(exceptions.ConnectionError):
    """No server of the cluster accepts commands for our keys at the moment."""


class ClusterNodes:
    """The nodes of a cluster, as far as they are known, and the slot of our keys.

    :param nodes: those of the URL.
    :param key_prefix: what all our keys begin with.
    """

    def __init__(self, nodes: Iterable[Address], key_prefix: str) -> None:
        self._given = tuple(nodes)
        self._nodes = list(self._given)
        self._slot = key_slot(key_prefix.encode())

    def find_primary(self, ask: _AskForSlots) -> Address:
        """Return the address of the server that has our slot.

        :raises NoPrimary: if no node knows.
        """
        for node in tuple(self._nodes):
            try:
                slots = ask(node)
            except (exceptions.RedisError, OSError):
                self.distrust(node)
                continue
            for first, last, *servers in slots:
                if first <= self._slot <= last:
                    self._remember(node, slots)
                    return _address(servers[0], node)
            self.distrust(node)
        raise NoPrimary(f"No node of the cluster knows the primary of slot {self._slot}.")

    def distrust(self, node: Address | None = None) -> None:
        """Ask a node last, by default the one that was asked first: it may be out of date."""
        first = node or self._nodes[0]
        self._nodes = [*(each for each in self._nodes if each != first), first]

    def _remember(self, asked: Address, slots: Sequence[t.Any]) -> None:
        """Know all nodes that *slots* names, and ask first the one that has answered."""
        named = (_address(server, asked) for _, _, *servers in slots for server in servers)
        self._nodes = list(dict.fromkeys((asked, *named, *self._given)))


class _ToPrimary:
    """Mixed into a connection of redis-py: lets it find the server to which it connects."""

    kind: type[t.Any]

    def __init__(self, *, cluster: ClusterNodes, **options: t.Any) -> None:
        self._cluster = cluster
        self._options = options
        super().__init__(**options)

    def _connect(self) -> t.Any:
        try:
            self.host, self.port = self._cluster.find_primary(self._ask_for_slots)
            return super()._connect()  # type: ignore[misc]
        except OSError:
            self._cluster.distrust()
            raise

    def _ask_for_slots(self, node: Address) -> Sequence[t.Any]:
        timeout = self._options.get("socket_connect_timeout")
        options = {**self._options, "socket_timeout": timeout, "host": node[0], "port": node[1]}
        connection = self.kind(**options)
        try:
            connection.connect()
            connection.send_command("CLUSTER", "SLOTS")
            return t.cast(Sequence[t.Any], connection.read_response())
        finally:
            connection.disconnect()

    def read_response(self, *args: t.Any, **options: t.Any) -> t.Any:
        """Read an answer.

        :raises NoPrimary: if this server has not all our keys; the next connection looks for it.
        """
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except exceptions.ResponseError as error:
            if isinstance(error, _NOT_THE_PRIMARY) or str(error).startswith("UNBLOCKED"):
                self._cluster.distrust()
                self.disconnect()  # type: ignore[attr-defined]
                raise NoPrimary(f"The primary of our keys has changed: {error}") from error
            raise


class PrimaryConnection(_ToPrimary, Connection):
    """A connection to the primary that has our keys."""

    kind = Connection


class PrimarySSLConnection(_ToPrimary, SSLConnection):
    """The same over TLS."""

    kind = SSLConnection


def connection_options(url: str, key_prefix: str) -> dict[str, t.Any]:
    """Return options of the connection classes for a URL with the scheme ``cluster``.

    :param url: its query names all nodes but the first: ``cluster://host1:1/?nodes=host2:2``.
    """
    parsed = parse_url(url)
    others = filter(None, parsed.get("nodes", "").split(","))
    nodes = [(parsed["hostname"] or "127.0.0.1", parsed["port"] or DEFAULT_PORT)]
    nodes += [_host_and_port(other) for other in others]
    credentials = {"username": parsed["userid"], "password": parsed["password"]}
    return {
        "cluster": ClusterNodes(nodes, key_prefix),
        "retry": Retry(NoBackoff(), 1, (NoPrimary,)),  # nothing was done, so nothing is done twice
        **{name: value for name, value in credentials.items() if value},
        **parsed.get("ssl", {}),
    }


def _host_and_port(text: str) -> Address:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORT


def _address(server: Sequence[t.Any], asked: Address) -> Address:
    """Return the address of a server in an answer; it may leave out the host that was asked."""
    host = server[0].decode() if isinstance(server[0], bytes) else server[0]
    return host or asked[0], int(server[1])
