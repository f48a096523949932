"""kombu's Redis transports with ten priorities in our queues; the host's keep its own.

``priority_steps`` is an option of a whole connection, while the host's producers and workers that
do not use this extension fold priorities as Celery does. A task of the host would wait for ever in
a list that only one side knows.
"""

from __future__ import annotations

import typing as t
from bisect import bisect
from collections.abc import Sequence

from kombu.connection import Connection
from kombu.transport import redis
from kombu.utils.url import sanitize_url

from ..config.redis_urls import single_host_url
from .cluster import connection_options
from .cluster import PrimaryConnection
from .cluster import PrimarySSLConnection
from .failover import SingleConnection
from .failover import SingleSSLConnection
from .queues import CELERY_PRIORITIES
from .queues import OUR_QUEUES_OPTION


class TenPriorities(redis.Channel):  # type: ignore[misc]  # kombu ships no types
    """A channel that decides by the queue in which list a message goes.

    In consuming it looks into the lists of all steps. Some of them are the same list of the host,
    which does no harm.
    """

    crewexec_queues: Sequence[str] = ()
    from_transport_options = (*redis.Channel.from_transport_options, OUR_QUEUES_OPTION)

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._hosts_steps: Sequence[int] = self.priority_steps
        if self.crewexec_queues:
            self.priority_steps: Sequence[int] = sorted({*CELERY_PRIORITIES, *self._hosts_steps})

    def _q_for_pri(self, queue: str, pri: int) -> str:
        steps = CELERY_PRIORITIES if queue in self.crewexec_queues else self._hosts_steps
        step = steps[bisect(steps, pri) - 1]
        return f"{queue}{self.sep}{step}" if step else queue

    def get_table(self, exchange: str) -> list[tuple[str, ...]]:
        """Return the bindings, except those of connections with another separator."""
        return [row for row in super().get_table(exchange) if len(row) == 3]

    def _size(self, queue: str) -> int:
        """Count each list once."""
        lists = dict.fromkeys(self._q_for_pri(queue, step) for step in self.priority_steps)
        with self.conn_or_acquire() as client:
            return sum(client.llen(name) for name in lists)


class SentinelChannel(TenPriorities, redis.SentinelChannel):  # type: ignore[misc]
    """The same, for servers that Sentinel watches."""

    from_transport_options = (*redis.SentinelChannel.from_transport_options, OUR_QUEUES_OPTION)


class SingleServerChannel(TenPriorities):
    """The same, for a single server or an address behind which the primary may change."""

    connection_class = SingleConnection
    connection_class_ssl = SingleSSLConnection


class ClusterChannel(TenPriorities):
    """The same, for a Redis Cluster."""

    connection_class = PrimaryConnection
    connection_class_ssl = PrimarySSLConnection

    def _has_queue(self, queue: str, **options: t.Any) -> bool:
        return self._size(queue) > 0  # kombu would ask for the keys without their prefix

    def _connparams(self, asynchronous: bool = False) -> dict[str, t.Any]:
        url = self.connection.client.hostname
        options = connection_options(url, self.global_keyprefix)
        return {**super()._connparams(asynchronous), **options}


class Transport(redis.Transport):  # type: ignore[misc]
    """kombu's transport for a single server, which also takes a cluster."""

    Channel = SingleServerChannel

    def __init__(self, client: Connection, **options: t.Any) -> None:
        super().__init__(client, **options)
        if str(client.hostname).startswith("cluster://"):
            client.hostname = single_host_url(client.hostname)
            self.Channel = ClusterChannel
            self.can_parse_url = True  # so that kombu asks for `as_uri`

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Return the URL of a cluster as it is shown."""
        shown = uri if include_password else sanitize_url(uri, mask)
        return f"{self.client.uri_prefix}+{shown}"


class SentinelTransport(redis.SentinelTransport):  # type: ignore[misc]
    """kombu's transport for servers that Sentinel watches."""

    Channel = SentinelChannel
