"""kombu's Redis transports with ten priorities in our queues; the host's keep its own.

``priority_steps`` is an option of a whole connection, while the host's producers and workers that
do not use this extension fold priorities as Celery does. A task of the host would wait for ever in
a list that only one side knows.
"""

from __future__ import annotations

import typing as t
from bisect import bisect
from collections.abc import Sequence

from kombu.transport import redis

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


class Transport(redis.Transport):  # type: ignore[misc]
    """kombu's transport for a single server."""

    Channel = TenPriorities


class SentinelTransport(redis.SentinelTransport):  # type: ignore[misc]
    """kombu's transport for servers that Sentinel watches."""

    Channel = SentinelChannel
